import { ref } from 'vue'
import { defineStore } from 'pinia'
import type { LiveEvent, Order, OrderStatus } from '@/api/types'

const RANK: Record<OrderStatus, number> = { pending: 0, confirmed: 1, rejected: 1, cancelled: 2 }
const REMEMBERED = 1000

function remember<T>(map: Map<number, T>, orderId: number, value: T): void {
  map.set(orderId, value)
  if (map.size > REMEMBERED) map.delete(map.keys().next().value as number)
}

/**
 * What was heard about orders. The decision is told before the order's own row says so; without this a reload in between
 * would show an order pending again.
 */
export const useOrderStatuses = defineStore('orderStatuses', () => {
  const heard = ref(new Map<number, OrderStatus>())
  /** What there was when an order was rejected. */
  const available = new Map<number, number>()

  function note(orderId: number, status: OrderStatus): void {
    const known = heard.value.get(orderId)
    if (known && RANK[known] >= RANK[status]) return
    remember(heard.value, orderId, status)
  }

  /** Take what an event says about an order; the order's number, if it says anything. */
  function hear(event: LiveEvent): number | null {
    if (typeof event.order_id !== 'number') return null
    const says: Partial<Record<string, OrderStatus>> = { order_confirmed: 'confirmed', order_rejected: 'rejected', order_cancelled: 'cancelled' }
    const status = says[event.event_type]
    if (!status) return null
    if (status === 'rejected' && typeof event.available === 'number') remember(available, event.order_id, event.available)
    note(event.order_id, status)
    return event.order_id
  }

  /** The later of what the row says and what was heard: a status only moves on. */
  function statusOf(order: Pick<Order, 'id' | 'status'>): OrderStatus {
    const known = heard.value.get(order.id)
    return known && RANK[known] > RANK[order.status] ? known : order.status
  }

  const availableTo = (orderId: number): number | null => available.get(orderId) ?? null

  return { heard, note, hear, statusOf, availableTo }
})
