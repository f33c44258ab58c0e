import { onScopeDispose } from 'vue'
import type { LiveEvent } from '@/api/types'
import { useLive } from '@/stores/live'

/** Hear each event while the component lives. */
export function onLiveEvent(handler: (event: LiveEvent) => void): void {
  onScopeDispose(useLive().subscribe(handler))
}

const GATHER_MS = 400

/**
 * Refresh what is shown when something it depends on has happened: at once for the first event, then at most every
 * `every` ms however many come (a replay brings hundreds a second), and not while the page is hidden.
 */
export function refreshOn(concerns: (event: LiveEvent) => boolean, refresh: () => Promise<unknown> | void, every = 1500): void {
  const live = useLive()
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = 0
  let waiting = false

  function run(): void {
    timer = undefined
    if (document.visibilityState === 'hidden') {
      waiting = true
      return
    }
    last = Date.now()
    void refresh()
  }

  function soon(): void {
    timer ??= setTimeout(run, Math.max(GATHER_MS, last + every - Date.now()))
  }

  function shown(): void {
    if (!waiting || document.visibilityState === 'hidden') return
    waiting = false
    soon()
  }

  document.addEventListener('visibilitychange', shown)
  const stops = [live.subscribe((event) => concerns(event) && soon()), live.subscribeRefresh(soon)]
  onScopeDispose(() => {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', shown)
    stops.forEach((stop) => stop())
  })
}
