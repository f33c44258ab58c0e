import { ref } from 'vue'
import { defineStore } from 'pinia'
import { readStream, type ServerSentEvent, type StreamEnd } from '@/api/sse'
import type { LiveEvent } from '@/api/types'

export type LiveState = 'connecting' | 'live' | 'polling' | 'offline'
type EventHandler = (event: LiveEvent) => void
type RefreshHandler = () => void

const REMEMBERED = 2000
const POLL_MS = 5000
const SILENCE_MS = 40_000
/** Failures in a row after which the page asks by itself, while it keeps trying to be told. */
const POLL_AFTER = 2

/** What happens elsewhere, as it happens: one stream of events for the whole page, resumed where it broke off. */
export const useLive = defineStore('live', () => {
  const state = ref<LiveState>('connecting')
  const onEvent = new Set<EventHandler>()
  const onRefresh = new Set<RefreshHandler>()
  const seen = new Set<string>()
  let lastEventId: string | null = null
  let running: AbortController | null = null
  let polling: ReturnType<typeof setInterval> | undefined
  let wake: (() => void) | null = null
  let anew: (() => void) | null = null

  function subscribe(handler: EventHandler): () => void {
    onEvent.add(handler)
    return () => onEvent.delete(handler)
  }

  /** Called when what is on screen may be old: after a gap, and at intervals while nothing is told. */
  function subscribeRefresh(handler: RefreshHandler): () => void {
    onRefresh.add(handler)
    return () => onRefresh.delete(handler)
  }

  const refreshAll = (): void => onRefresh.forEach((handler) => handler())

  function handle(message: ServerSentEvent): void {
    if (message.id) lastEventId = message.id
    // Told from now on: what was loaded before now may be of before something that is not told any more.
    if (message.event === 'reset' || (message.event === 'ready' && !(JSON.parse(message.data) as { resumed: boolean }).resumed)) {
      refreshAll()
      return
    }
    if (message.event !== 'message') return
    const event = JSON.parse(message.data) as LiveEvent
    // A resumed stream may repeat some. A movement bears the id of the event that caused it, hence the channel.
    const identity = `${event.channel} ${event.event_id}`
    if (seen.has(identity)) return
    seen.add(identity)
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value as string)
    onEvent.forEach((handler) => handler(event))
  }

  function poll(on: boolean): void {
    clearInterval(polling)
    polling = on ? setInterval(() => document.visibilityState === 'visible' && navigator.onLine && refreshAll(), POLL_MS) : undefined
  }

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  async function run(token: () => string | null, onUnauthorized: () => void, stopped: AbortSignal): Promise<void> {
    let failures = 0
    while (!stopped.aborted) {
      const current = token()
      if (!current) return
      let end: StreamEnd | 'failed'
      const ending = new AbortController()
      const abort = (): void => ending.abort()
      let again = false
      stopped.addEventListener('abort', abort)
      anew = () => {
        again = true
        abort()
      }
      try {
        end = await readStream({
          url: '/api/events',
          token: current,
          lastEventId,
          silenceMs: SILENCE_MS,
          signal: ending.signal,
          onOpen: () => {
            failures = 0
            state.value = 'live'
            poll(false)
          },
          onEvent: handle,
        })
      } catch {
        end = 'failed'
      } finally {
        stopped.removeEventListener('abort', abort)
      }
      if (stopped.aborted) return
      if (again) continue
      if (end === 'unauthorized') return onUnauthorized()
      failures += 1
      if (!navigator.onLine) state.value = 'offline'
      else if (failures > POLL_AFTER) {
        state.value = 'polling'
        if (polling === undefined) poll(true)
      } else state.value = 'connecting'
      await pause(Math.min(15_000, 1000 * 2 ** (failures - 1)) * (0.75 + Math.random() / 2))
    }
  }

  function start(token: () => string | null, onUnauthorized: () => void): void {
    stop()
    running = new AbortController()
    state.value = navigator.onLine ? 'connecting' : 'offline'
    void run(token, onUnauthorized, running.signal)
  }

  function stop(): void {
    running?.abort()
    running = null
    poll(false)
  }

  window.addEventListener('offline', () => (state.value = 'offline'))
  window.addEventListener('online', () => {
    state.value = 'connecting'
    wake?.()
    // A stream that looks as if it had outlived that may be one on which nothing comes any more.
    anew?.()
    refreshAll()
  })

  return { state, subscribe, subscribeRefresh, start, stop, handle }
})
