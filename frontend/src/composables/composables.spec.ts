import { flushPromises, mount } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import * as client from '@/api/client'
import { Problem } from '@/api/problem'
import { safeNext } from '@/router'
import { useLive } from '@/stores/live'
import { useForm } from './useForm'
import { refreshOn } from './useLive'
import { useList } from './useList'
import { useScanner } from './useScanner'

/** Run a composable as a component would. */
function within<T>(use: () => T, plugins: Parameters<typeof mount>[1] = {}): { result: T; unmount: () => void } {
  let result!: T
  const wrapper = mount(defineComponent({ setup: () => ((result = use()), () => h('div')) }), plugins)
  return { result, unmount: () => wrapper.unmount() }
}

describe('useForm', () => {
  it('shows the server’s errors beside their fields, and lets go of one once its field is touched', async () => {
    const submit = vi.fn().mockRejectedValue(new Problem(422, 'validation_failed', 'x', [{ field: 'name', message: 'too long' }]))
    const { result: form } = within(() => useForm({ initial: () => ({ name: 'a', city: '' }), submit }))
    await form.submit()
    expect(form.errors.name).toBe('too long')
    expect(form.message.value).toBe('')
    form.values.name = 'b'
    await flushPromises()
    expect(form.errors.name).toBeUndefined()
  })

  it('asks the server for nothing while it knows better', async () => {
    const submit = vi.fn()
    const { result: form } = within(() => useForm({ initial: () => ({ name: '' }), validate: () => ({ name: 'missing' }), submit }))
    await form.submit()
    expect(submit).not.toHaveBeenCalled()
    expect(form.errors.name).toBe('missing')
  })

  it('repeats under the same key after a lost answer, under a new one after a refusal or a change', async () => {
    const keys: string[] = []
    const answers = [new Problem(0, 'network', 'lost'), new Problem(409, 'conflict', 'no'), new Problem(0, 'network', 'lost'), new Problem(0, 'network', 'lost')]
    const submit = vi.fn(async (_values: { name: string }, key: string) => {
      keys.push(key)
      throw answers[keys.length - 1]
    })
    const { result: form } = within(() => useForm({ initial: () => ({ name: 'a' }), submit }))
    await form.submit()
    await form.submit()
    await form.submit()
    form.values.name = 'b'
    await form.submit()
    expect(keys[1]).toBe(keys[0])
    expect(keys[2]).not.toBe(keys[1])
    expect(keys[3]).not.toBe(keys[2])
  })

  it('keeps what was typed until it is sent or given up', async () => {
    const options = { initial: () => ({ name: '' }), submit: async () => 1, draft: 'thing' }
    const first = within(() => useForm(options))
    first.result.values.name = 'half'
    await flushPromises()
    first.unmount()
    const second = within(() => useForm(options))
    expect(second.result.values.name).toBe('half')
    await second.result.submit()
    expect(within(() => useForm(options)).result.values.name).toBe('')
  })
})

describe('useList', () => {
  const page = (ids: number[], total: number, next: number | null) => ({ items: ids.map((id) => ({ id })), start: 0, limit: 2, count: ids.length, total, total_exact: true, next_after: next })
  let listed: ReturnType<typeof vi.spyOn>
  beforeEach(() => {
    listed = vi.spyOn(client, 'list').mockResolvedValue(page([9, 8], 6, 8) as never)
  })
  const setUp = (inAddress = false) => {
    const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:any(.*)*', component: { render: () => null } }] })
    return { router, ...within(() => useList<{ id: number }>({ path: '/api/orders', plural: 'orders', filters: ['status'], limit: 2, inAddress }), { global: { plugins: [router] } }) }
  }
  const query = (call = -1): unknown => listed.mock.calls.at(call)?.[2]

  it('reads on by cursor, whose cost does not grow, and counts where it cannot', async () => {
    const { result: orders } = setUp()
    await flushPromises()
    expect(query()).toMatchObject({ start: 0, sort: '-id' })
    orders.set({ page: '2' })
    await flushPromises()
    expect(query()).toMatchObject({ after: 8 })
    orders.set({ page: '4' })
    await flushPromises()
    expect(query()).toMatchObject({ start: 6 })
  })

  it('knows of at least what it has seen where the API does not count', async () => {
    listed.mockResolvedValue({ ...page([9, 8], 3, 8), total_exact: false } as never)
    const { result: orders } = setUp()
    await flushPromises()
    expect([orders.total.value, orders.exact.value]).toEqual([3, false])
    orders.set({ page: '2' })
    await flushPromises()
    expect(orders.total.value).toBe(5)
  })

  it('starts over with another filter or sorting', async () => {
    const { result: orders } = setUp()
    await flushPromises()
    orders.set({ page: '2' })
    await flushPromises()
    orders.set({ status: 'pending' })
    await flushPromises()
    expect(orders.page.value).toBe(1)
    expect(query()).toMatchObject({ status: 'pending', start: 0 })
    orders.toggleSort('quantity')
    await flushPromises()
    orders.toggleSort('quantity')
    await flushPromises()
    expect(query()).toMatchObject({ sort: '-quantity' })
    orders.toggleSort('quantity')
    await flushPromises()
    expect(query()).toMatchObject({ sort: '-id' })
  })

  it('keeps its rows while newer ones load, and when they fail to', async () => {
    const { result: orders } = setUp()
    await flushPromises()
    listed.mockRejectedValue(new Problem(503, 'unavailable', 'x'))
    await orders.reload()
    expect(orders.rows.value).toHaveLength(2)
    expect(orders.error.value?.status).toBe(503)
    expect(orders.loading.value).toBe(false)
  })

  it('lets only the latest answer count', async () => {
    const { result: orders } = setUp()
    await flushPromises()
    let late!: (value: unknown) => void
    listed.mockReturnValueOnce(new Promise((resolve) => (late = resolve)) as never)
    const slow = orders.reload()
    listed.mockResolvedValueOnce(page([1], 1, null) as never)
    await orders.reload()
    late(page([5, 5], 2, null))
    await slow
    expect(orders.rows.value.map((row) => row.id)).toEqual([1])
  })

  it('lives in the address', async () => {
    const { result: orders, router } = setUp(true)
    await flushPromises()
    orders.set({ status: 'confirmed' })
    await flushPromises()
    expect(router.currentRoute.value.query).toEqual({ status: 'confirmed' })
  })
})

describe('useScanner', () => {
  let now = 1000
  const press = (key: string, gap: number, target: EventTarget = document.body): void => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true })
    Object.defineProperty(event, 'timeStamp', { value: (now += gap) })
    target.dispatchEvent(event)
  }
  const keys = (text: string, gap: number, target?: EventTarget): void => [...text, 'Enter'].forEach((key) => press(key, gap, target))

  it('tells a scanner from fingers, and leaves fields alone', () => {
    const scanned = vi.fn()
    const { unmount } = within(() => useScanner(scanned))
    keys('L-100', 10)
    expect(scanned).toHaveBeenCalledExactlyOnceWith('L-100')
    keys('L-100', 120)
    const field = document.body.appendChild(document.createElement('input'))
    keys('L-100', 10, field)
    field.remove()
    expect(scanned).toHaveBeenCalledTimes(1)
    unmount()
    keys('L-100', 10)
    expect(scanned).toHaveBeenCalledTimes(1)
  })

  it('bears with one late key, and forgets what a finger pressed before', () => {
    const scanned = vi.fn()
    const { unmount } = within(() => useScanner(scanned))
    press('n', 1000)
    press('5', 800)
    press('0', 100)
    keys('12345', 5)
    expect(scanned).toHaveBeenCalledExactlyOnceWith('5012345')
    unmount()
  })
})

describe('refreshOn', () => {
  it('gathers a flood into few refreshes', async () => {
    vi.useFakeTimers()
    const refresh = vi.fn()
    const { unmount } = within(() => refreshOn((event) => event.channel === 'order_status', refresh, 1000))
    const live = useLive()
    for (let n = 0; n < 500; n++) {
      live.handle({ id: null, event: 'message', data: JSON.stringify({ channel: 'order_status', event_type: 'x', event_id: `e${n}` }) })
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(refresh.mock.calls.length).toBeGreaterThanOrEqual(4)
    expect(refresh.mock.calls.length).toBeLessThanOrEqual(6)
    unmount()
    vi.useRealTimers()
  })
})

describe('safeNext', () => {
  it.each([['/orders?new=1', '/orders?new=1'], ['//evil.example', '/'], ['/\\evil.example', '/'], ['https://evil.example', '/'], ['/login?next=/', '/'], [undefined, '/']])('leads %s to %s', (next, to) => expect(safeNext(next)).toBe(to))
})
