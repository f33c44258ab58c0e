import { computed, onScopeDispose, reactive, ref, shallowRef, watch } from 'vue'
import { useRoute, useRouter, type LocationQuery } from 'vue-router'
import { isCancel } from 'axios'
import { list, type Plural, type Query } from '@/api/client'
import { toProblem, type Problem } from '@/api/problem'

export interface ListOptions<T> {
  path: string | (() => string)
  plural: Plural
  /** Filters beside `q`; those named here live in the address. */
  filters?: readonly string[]
  sort?: string
  limit?: number
  /** Filters that cannot be changed, as on the page of one product. */
  fixed?: () => Query
  /** How a filter as typed becomes the query's. */
  toQuery?: (state: Record<string, string>) => Query
  /** Beside the rows, before they are shown. */
  enrich?: (rows: T[], signal: AbortSignal) => Promise<T[]>
  /** Whether the state lives in the address, so that links, reload and back keep it. One list per page may. */
  inAddress?: boolean
}

const TYPING_MS = 250

/** A list served page by page: search, filters, sorting and page as state; rows stay while newer ones load. */
export function useList<T extends { id: number }>(options: ListOptions<T>) {
  const names = ['q', 'sort', 'page', ...(options.filters ?? [])]
  const limit = options.limit ?? 25
  const defaultSort = options.sort ?? '-id'
  const inAddress = options.inAddress ?? true
  const route = inAddress ? useRoute() : null
  const router = inAddress ? useRouter() : null
  const ownPath = route?.path

  const rows = shallowRef<T[]>([])
  const total = ref(0)
  const exact = ref(true)
  const loading = ref(true)
  const reloading = ref(false)
  const error = shallowRef<Problem | null>(null)
  const state = reactive<Record<string, string>>(read(route?.query ?? {}))
  const page = computed(() => Math.max(1, Number(state.page) || 1))
  const sort = computed(() => state.sort || defaultSort)
  const filtered = computed(() => names.some((name) => name !== 'sort' && name !== 'page' && state[name]))
  // Pages reached one after another are asked for by cursor, whose cost does not grow with depth.
  const cursors = new Map<number, number>()
  let request: AbortController | null = null
  let typing: ReturnType<typeof setTimeout> | undefined

  function read(query: LocationQuery): Record<string, string> {
    return Object.fromEntries(names.map((name) => [name, typeof query[name] === 'string' ? query[name] : '']))
  }

  function query(): Query {
    const given = Object.fromEntries(Object.entries(state).filter(([name]) => name !== 'page' && name !== 'sort'))
    return { ...(options.toQuery?.(given) ?? given), ...options.fixed?.(), sort: sort.value }
  }

  const path = (): string => (typeof options.path === 'string' ? options.path : options.path())

  async function reload(): Promise<void> {
    request?.abort()
    const mine = (request = new AbortController())
    reloading.value = true
    const cursor = cursors.get(page.value)
    const place = cursor === undefined ? { start: (page.value - 1) * limit } : { after: cursor }
    try {
      const answer = await list<T>(path(), options.plural, { ...query(), limit, ...place }, mine.signal)
      const items = options.enrich ? await options.enrich(answer.items, mine.signal) : answer.items
      if (mine !== request) return
      if (items.length === 0 && page.value > 1 && answer.total > 0) {
        set({ page: String(Math.ceil(answer.total / limit)) })
        return
      }
      const follows = answer.next_after !== null
      if (follows) cursors.set(page.value + 1, answer.next_after as number)
      rows.value = items
      exact.value = answer.total_exact
      // What is not counted is at least what has been seen of it.
      total.value = answer.total_exact ? answer.total : Math.max(answer.total, (page.value - 1) * limit + items.length + (follows ? 1 : 0))
      error.value = null
    } catch (failure) {
      if (mine !== request || isCancel(failure)) return
      error.value = toProblem(failure)
    }
    loading.value = false
    reloading.value = false
  }

  /** Change filters, sorting or page. All but a change of page alone lead to the first page. */
  function set(change: Record<string, string>): void {
    const turns = Object.keys(change).every((name) => name === 'page')
    if (!turns) cursors.clear()
    Object.assign(state, turns ? change : { page: '', ...change })
  }

  /** For text fields: the newest text counts once typing rests. */
  function type(name: string, text: string): void {
    clearTimeout(typing)
    typing = setTimeout(() => set({ [name]: text.trim() }), TYPING_MS)
  }

  /** Up, down, and back to the list's own order. */
  function toggleSort(key: string): void {
    const own = defaultSort.replace('-', '') === key
    set({ sort: sort.value === key ? `-${key}` : sort.value === `-${key}` && !own ? '' : key })
  }

  function clear(): void {
    clearTimeout(typing)
    set(Object.fromEntries(names.filter((name) => name !== 'sort').map((name) => [name, ''])))
  }

  /** Change one row where it is shown, ahead of the next reload. */
  function patch(id: number, change: Partial<T>): void {
    if (rows.value.some((row) => row.id === id)) rows.value = rows.value.map((row) => (row.id === id ? { ...row, ...change } : row))
  }

  watch(
    () => ({ ...state }),
    (now) => {
      if (router && route && route.path === ownPath) {
        const others = Object.fromEntries(Object.entries(route.query).filter(([name]) => !names.includes(name)))
        const mine = Object.fromEntries(Object.entries(now).filter(([, value]) => value !== ''))
        void router.replace({ query: { ...others, ...mine }, hash: route.hash })
      }
      void reload()
    },
  )
  if (route) {
    watch(
      () => route.query,
      (now) => {
        if (route.path !== ownPath) return
        const wanted = read(now)
        if (names.some((name) => wanted[name] !== state[name])) {
          cursors.clear()
          Object.assign(state, wanted)
        }
      },
    )
  }
  void reload()
  onScopeDispose(() => {
    clearTimeout(typing)
    request?.abort()
  })

  return { rows, total, exact, loading, reloading, error, state, page, limit, sort, filtered, query, path, plural: options.plural, reload, set, type, toggleSort, clear, patch }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a list of any rows, where only its state matters
export type List<T extends { id: number } = any> = ReturnType<typeof useList<T>>
