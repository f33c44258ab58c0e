import axios, { type AxiosRequestConfig } from 'axios'
import type { PageInfo } from './types'
import { Problem, toProblem } from './problem'

/** What the client asks of whoever keeps the session. Set once, in main.ts: the client knows no store. */
export interface SessionSource {
  token(): string | null
  onUnauthorized(): void
}

let session: SessionSource = { token: () => null, onUnauthorized: () => undefined }

export function useSessionSource(source: SessionSource): void {
  session = source
}

export const http = axios.create({ baseURL: '/', timeout: 20_000 })

http.interceptors.request.use((request) => {
  // Each request is a trace that begins here. https://www.w3.org/TR/trace-context/#traceparent-header
  request.headers.set('traceparent', `00-${randomHex(16)}-${randomHex(8)}-01`)
  const token = session.token()
  if (token && !request.headers.has('Authorization')) request.headers.set('Authorization', `Bearer ${token}`)
  return request
})

http.interceptors.response.use(undefined, (error: unknown) => {
  if (axios.isCancel(error)) throw error
  const problem = toProblem(error)
  const asked = axios.isAxiosError(error) ? (error.config?.url ?? '') : ''
  // A wrong password is a 401 too, and no reason to send anybody away.
  if (problem.status === 401 && !asked.includes('/api/auth/login')) session.onUnauthorized()
  throw problem
})

export type Query = Record<string, string | number | boolean | null | undefined>

function cleaned(query: Query = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) => (value === null || value === undefined || value === '' ? [] : [[name, String(value)]])),
  )
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await http.get<T>(path, { params: cleaned(query), signal })).data
}

export async function post<T>(path: string, body?: unknown, options: { idempotencyKey?: string; signal?: AbortSignal } = {}): Promise<T> {
  return (await http.post<T>(path, body, withKey(options))).data
}

export async function put<T>(path: string, body: unknown, options: { idempotencyKey?: string } = {}): Promise<T> {
  return (await http.put<T>(path, body, withKey(options))).data
}

export async function remove(path: string): Promise<void> {
  await http.delete(path)
}

function withKey(options: { idempotencyKey?: string; signal?: AbortSignal }): AxiosRequestConfig {
  return { signal: options.signal, headers: options.idempotencyKey ? { 'Idempotency-Key': options.idempotencyKey } : {} }
}

export type Plural = 'products' | 'suppliers' | 'customers' | 'inventory' | 'procurements' | 'orders' | 'movements' | 'alerts' | 'events' | 'dead_letters' | 'users'

export type ListAnswer<T> = PageInfo & { items: T[] }

/**
 * A page of any list; its rows come under the list's own name, and leave as `items`. Where few of many rows match, the API looks at
 * some of them at a time: an empty page that leads on is not shown, but followed.
 */
export async function list<T>(path: string, plural: Plural, query?: Query, signal?: AbortSignal): Promise<ListAnswer<T>> {
  const { [plural]: items, ...page } = await get<PageInfo & Record<string, unknown>>(path, query, signal)
  if (!Array.isArray(items)) throw new Problem(0, 'unexpected', `The answer of ${path} has no ${plural}.`)
  if (items.length === 0 && page.next_after !== null) return list(path, plural, { ...query, start: undefined, after: page.next_after }, signal)
  return { items: items as T[], ...(page as PageInfo) }
}

/** A key under which a repeated request is known to be the same. */
export function newIdempotencyKey(): string {
  return randomHex(16)
}

/** Not `randomUUID`: that needs https or localhost. */
function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
