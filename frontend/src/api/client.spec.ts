import { AxiosError, AxiosHeaders, type InternalAxiosRequestConfig } from 'axios'
import { beforeEach, expect, it, vi } from 'vitest'
import { get, http, list, newIdempotencyKey, post, useSessionSource } from './client'
import { messageOf, Problem } from './problem'

const onUnauthorized = vi.fn()
let asked: InternalAxiosRequestConfig[] = []

function answer(status: number, data: unknown, headers: Record<string, string> = {}): void {
  http.defaults.adapter = async (config) => {
    asked.push(config)
    const response = { status, data, headers: new AxiosHeaders(headers), config, statusText: '' }
    if (status >= 400) throw new AxiosError('refused', undefined, config, {}, response)
    return response
  }
}

beforeEach(() => {
  asked = []
  onUnauthorized.mockClear()
  useSessionSource({ token: () => 'abc', onUnauthorized })
})

it('sends the token, and leaves out filters that say nothing', async () => {
  answer(200, {})
  await get('/api/products', { q: '', category: undefined, limit: 5, low: false })
  expect(asked[0]?.headers.get('Authorization')).toBe('Bearer abc')
  expect(asked[0]?.params).toEqual({ limit: '5', low: 'false' })
})

it('begins a trace with each request', async () => {
  answer(200, {})
  await get('/api/products')
  await get('/api/products')
  const told = asked.map((request) => String(request.headers.get('traceparent')))
  expect(told[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  expect(told[0]).not.toBe(told[1])
})

it('makes a problem of a refusal, with the errors of its fields', async () => {
  answer(422, { code: 'validation_failed', detail: 'name: too long', errors: [{ field: 'name', message: 'too long' }], trace_id: 't1' })
  const problem = await post('/api/products', {}).catch((error: unknown) => error)
  expect(problem).toBeInstanceOf(Problem)
  expect(problem).toMatchObject({ status: 422, code: 'validation_failed', traceId: 't1', message: 'Name: too long.', errors: [{ field: 'name', message: 'Too long.' }] })
})

it('ends the session on a 401, but not for a wrong password', async () => {
  answer(401, { code: 'invalid_credentials', detail: 'no' })
  await get('/api/orders').catch(() => undefined)
  expect(onUnauthorized).toHaveBeenCalledTimes(1)
  await post('/api/auth/login', {}).catch(() => undefined)
  expect(onUnauthorized).toHaveBeenCalledTimes(1)
})

it('says how much there is when an order asks for more, and when to ask again', async () => {
  expect(messageOf(new Problem(409, 'insufficient_stock', 'x', [], { available: 5 }))).toContain('5 available')
  expect(messageOf(new Problem(503, 'unavailable', 'x', [], {}, 12.2))).toContain('13 seconds')
})

it('reads a list by its own name', async () => {
  answer(200, { orders: [{ id: 1 }], start: 0, limit: 25, count: 1, total: 1, next_after: null })
  expect(await list('/api/orders', 'orders')).toMatchObject({ items: [{ id: 1 }], total: 1 })
  await expect(list('/api/orders', 'products')).rejects.toBeInstanceOf(Problem)
})

it('makes idempotency keys that differ', () => {
  expect(newIdempotencyKey()).toMatch(/^[0-9a-f]{32}$/)
  expect(newIdempotencyKey()).not.toBe(newIdempotencyKey())
})
