import { beforeEach, describe, expect, it, vi } from 'vitest'
import * as client from '@/api/client'
import * as sse from '@/api/sse'
import type { Role } from '@/api/types'
import { useCancellations, UNDO_MS } from './cancellations'
import { useLive } from './live'
import { useOrderStatuses } from './orderStatuses'
import { expiryOf, useSession } from './session'
import { useToasts } from './toasts'

const token = (exp: number): string => ['e30', btoa(JSON.stringify({ exp })), 'x'].join('.')

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  return () => vi.useRealTimers()
})

describe('session', () => {
  it('is kept for the tab, announces its end, and is not restored once over', async () => {
    const ends = Date.now() / 1000 + 3600
    vi.spyOn(client, 'post').mockResolvedValue({ token: token(ends), user: { username: 'ann' } })
    const session = useSession()
    await session.login('ann', 'long enough')
    expect(session.signedIn).toBe(true)
    expect(session.endsSoon).toBe(false)
    vi.advanceTimersByTime(51 * 60_000)
    expect(session.endsSoon).toBe(true)
    expect(JSON.parse(sessionStorage.getItem('session') ?? '{}')).toMatchObject({ user: { username: 'ann' } })
    session.forget()
    expect(sessionStorage.getItem('session')).toBeNull()
  })

  it('offers what the role may, and learns of another role', async () => {
    const user = { username: 'ann', role: 'clerk' }
    vi.spyOn(client, 'post').mockResolvedValue({ token: token(Date.now() / 1000 + 3600), user })
    const session = useSession()
    expect(session.may('viewer')).toBe(false)
    await session.login('ann', 'long enough')
    expect(['viewer', 'clerk', 'manager', 'admin'].filter((role) => session.may(role as Role))).toEqual(['viewer', 'clerk'])
    vi.spyOn(client, 'get').mockResolvedValue({ ...user, role: 'admin' })
    await session.refresh()
    expect(session.may('admin')).toBe(true)
    expect(JSON.parse(sessionStorage.getItem('session') ?? '{}')).toMatchObject({ user: { role: 'admin' } })
  })

  it('has the server revoke the token on signing out, and ends here whether or not it could be told', async () => {
    const post = vi.spyOn(client, 'post').mockResolvedValue({ token: token(Date.now() / 1000 + 3600), user: {} })
    const session = useSession()
    await session.login('ann', 'long enough')
    post.mockRejectedValue(new Error('away'))
    await session.signOut()
    expect(post).toHaveBeenLastCalledWith('/api/auth/logout')
    expect(session.signedIn).toBe(false)
  })

  it('reads no end out of what is no token', () => {
    expect(expiryOf('nonsense')).toBeNull()
    expect(expiryOf(token(12))).toBe(12_000)
  })
})

describe('order statuses', () => {
  it('know what a rejected order met', () => {
    const statuses = useOrderStatuses()
    statuses.hear({ channel: 'order_status', event_id: 'a', event_type: 'order_rejected', order_id: 7, available: 1 })
    expect([statuses.availableTo(7), statuses.availableTo(8)]).toEqual([1, null])
    expect(statuses.statusOf({ id: 7, status: 'pending' })).toBe('rejected')
  })

  it('only move on: a late row does not bring pending back', () => {
    const statuses = useOrderStatuses()
    statuses.hear({ channel: 'order_status', event_type: 'order_confirmed', event_id: '1', order_id: 7 })
    expect(statuses.statusOf({ id: 7, status: 'pending' })).toBe('confirmed')
    expect(statuses.statusOf({ id: 7, status: 'cancelled' })).toBe('cancelled')
    expect(statuses.statusOf({ id: 8, status: 'pending' })).toBe('pending')
    statuses.note(7, 'pending')
    expect(statuses.statusOf({ id: 7, status: 'pending' })).toBe('confirmed')
  })
})

describe('toasts', () => {
  it('are changed while they are shown, and told anew when they have gone', () => {
    const toasts = useToasts()
    const id = toasts.show({ kind: 'info', title: 'taken' })
    toasts.update(id, { kind: 'success', title: 'confirmed', lasts: 5000 })
    expect(toasts.messages).toMatchObject([{ id, kind: 'success', title: 'confirmed', lasts: 5000 }])
    toasts.close(id)
    toasts.update(id, { kind: 'error', title: 'rejected', lasts: null })
    expect(toasts.messages).toMatchObject([{ kind: 'error', title: 'rejected', lasts: null }])
  })
})

describe('cancellations', () => {
  it('send nothing while they can be undone', async () => {
    const post = vi.spyOn(client, 'post').mockResolvedValue({ status: 'cancelled' })
    const cancellations = useCancellations()
    cancellations.request(7)
    useToasts().messages[0]?.action?.run()
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2)
    expect(post).not.toHaveBeenCalled()
  })

  it('are sent once when their time is over, or at once on signing out', async () => {
    const post = vi.spyOn(client, 'post').mockResolvedValue({ status: 'cancelled' })
    const cancellations = useCancellations()
    cancellations.request(7)
    cancellations.request(7)
    await vi.advanceTimersByTimeAsync(UNDO_MS)
    expect(post).toHaveBeenCalledTimes(1)
    cancellations.request(8)
    await cancellations.flush()
    await vi.advanceTimersByTimeAsync(UNDO_MS)
    expect(post.mock.calls.map(([path]) => path)).toEqual(['/api/orders/7/cancel', '/api/orders/8/cancel'])
  })

  it('say why when they are refused', async () => {
    vi.spyOn(client, 'post').mockRejectedValue(new Error('no'))
    const cancellations = useCancellations()
    cancellations.request(7)
    await vi.advanceTimersByTimeAsync(UNDO_MS)
    expect(useToasts().messages.at(-1)).toMatchObject({ kind: 'error', detail: 'no' })
    expect(cancellations.waiting.size).toBe(0)
  })
})

describe('live', () => {
  it('begins a new stream when the network is back, though the former one looks as if it had outlived that', async () => {
    const streams: sse.StreamOptions[] = []
    vi.spyOn(sse, 'readStream').mockImplementation(async (options) => {
      streams.push(options)
      options.onOpen()
      await new Promise((_, fail) => options.signal.addEventListener('abort', fail))
      return 'closed'
    })
    const live = useLive()
    live.start(() => 'token', vi.fn())
    await vi.waitFor(() => expect(live.state).toBe('live'))
    window.dispatchEvent(new Event('offline'))
    expect(live.state).toBe('offline')
    window.dispatchEvent(new Event('online'))
    await vi.waitFor(() => expect(streams).toHaveLength(2))
    expect(live.state).toBe('live')
    expect(streams[0]?.signal.aborted).toBe(true)
    live.stop()
    expect(streams[1]?.signal.aborted).toBe(true)
  })

  const message = (channel: string, event_id: string) => ({ id: '1', event: 'message', data: JSON.stringify({ channel, event_id, event_type: 'x' }) })

  it('tells each event once, though a resumed stream repeats it; a movement is not its event', () => {
    const live = useLive()
    const heard: string[] = []
    live.subscribe((event) => heard.push(event.channel))
    live.handle(message('order_stock_out', 'a'))
    live.handle(message('order_stock_out', 'a'))
    live.handle(message('stock_movements', 'a'))
    expect(heard).toEqual(['order_stock_out', 'stock_movements'])
  })

  it('refreshes what is shown after a reset', () => {
    const live = useLive()
    const refresh = vi.fn()
    const stop = live.subscribeRefresh(refresh)
    live.handle({ id: '9', event: 'reset', data: '{}' })
    stop()
    live.handle({ id: '10', event: 'reset', data: '{}' })
    expect(refresh).toHaveBeenCalledTimes(1)
  })

  it('refreshes what was loaded before it was told anything, and not what it is told of without a gap', () => {
    const live = useLive()
    const refresh = vi.fn()
    live.subscribeRefresh(refresh)
    live.handle({ id: '9', event: 'ready', data: '{"resumed":true}' })
    expect(refresh).not.toHaveBeenCalled()
    live.handle({ id: '9', event: 'ready', data: '{"resumed":false}' })
    expect(refresh).toHaveBeenCalledTimes(1)
  })

  it('asks by itself where it cannot be told, resumes where it broke off, and stops asking once it is told again', async () => {
    const asked: (string | null)[] = []
    let refuse = true
    vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
      asked.push(new Headers(init.headers).get('Last-Event-ID'))
      if (refuse) throw new TypeError('no network')
      const body = new ReadableStream({
        start: (stream) => {
          stream.enqueue(new TextEncoder().encode('id: 5\nevent: ready\ndata: {"resumed":true}\n\n'))
          init.signal?.addEventListener('abort', () => stream.error(new DOMException('aborted', 'AbortError')))
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    })
    const live = useLive()
    const refresh = vi.fn()
    live.subscribeRefresh(refresh)
    live.start(() => 'token', () => undefined)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(live.state).toBe('polling')
    expect(refresh.mock.calls.length).toBeGreaterThan(1)
    refuse = false
    await vi.advanceTimersByTimeAsync(20_000)
    expect(live.state).toBe('live')
    // Silence for 40 s is a lost connection: the next one resumes.
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked.at(-1)).toBe('5')
    live.stop()
    vi.unstubAllGlobals()
  })
})
