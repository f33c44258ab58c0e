import { ref } from 'vue'
import { defineStore } from 'pinia'
import { post } from '@/api/client'
import { messageOf } from '@/api/problem'
import type { Order } from '@/api/types'
import { t } from '@/texts'
import { useOrderStatuses } from './orderStatuses'
import { useToasts } from './toasts'

export const UNDO_MS = 6000

/**
 * Cancelling an order cannot be undone once it is done: its stock is back, and somebody may have taken it. So the request
 * waits while the toast offers to undo, and nothing has happened until then. Leaving the page sends it at once.
 */
export const useCancellations = defineStore('cancellations', () => {
  const waiting = ref(new Map<number, ReturnType<typeof setTimeout>>())
  const toasts = useToasts()

  function request(orderId: number): void {
    if (waiting.value.has(orderId)) return
    waiting.value.set(orderId, setTimeout(() => void send(orderId), UNDO_MS))
    toasts.show({ kind: 'info', title: t.orders.cancelSoon(orderId), detail: t.orders.cancelHint, lasts: UNDO_MS, action: { label: t.actions.undo, run: () => undo(orderId) } })
  }

  function undo(orderId: number): void {
    clearTimeout(waiting.value.get(orderId))
    if (waiting.value.delete(orderId)) toasts.show({ kind: 'success', title: t.orders.kept(orderId) })
  }

  async function send(orderId: number): Promise<void> {
    clearTimeout(waiting.value.get(orderId))
    try {
      const order = await post<Order>(`/api/orders/${orderId}/cancel`)
      useOrderStatuses().note(orderId, order.status)
      toasts.show({ kind: 'success', title: t.orders.cancelled(orderId), detail: t.orders.cancelledHint })
    } catch (error) {
      toasts.show({ kind: 'error', title: t.orders.cancelFailed(orderId), detail: messageOf(error) })
    } finally {
      waiting.value.delete(orderId)
    }
  }

  /** Send what waits, without waiting further: before signing out. */
  async function flush(): Promise<void> {
    await Promise.all([...waiting.value.keys()].map(send))
  }

  /** As the page goes away: requests that outlive it. */
  function flushOnLeaving(token: string | null): void {
    for (const [orderId, timer] of waiting.value) {
      clearTimeout(timer)
      void fetch(`/api/orders/${orderId}/cancel`, { method: 'POST', keepalive: true, headers: token ? { Authorization: `Bearer ${token}` } : {} })
    }
    waiting.value.clear()
  }

  return { waiting, request, undo, flush, flushOnLeaving }
})
