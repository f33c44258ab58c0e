import { ref } from 'vue'
import { defineStore } from 'pinia'
import type { LiveEvent, Order, OrderStatus } from '@/api/types'

const RANK: Record<OrderStatus, number> = { pending: 0, confirmed: 1, rejected: 1, cancelled: 2 }
const REMEMBERED = 1000

/**
 * What was heard about orders. The decision is told before the order's own row says so; without this a reload in between
 * would show an order pending again.
 */
export const useOrderStatuses = defineStore('orderStatuses', () => {
  const heard = ref(new Map<number, OrderStatus>())

  function note(orderId: number, status: OrderStatus): void {
    const known = heard.value.get(orderId)
    if (known && RANK[known] >= RANK[status]) return
    heard.value.set(orderId, status)
    if (heard.value.size > REMEMBERED) heard.value.delete(heard.value.keys().next().value as number)
  }

  /** Take what an event says about an order; the order's number, if it says anything. */
  function hear(event: LiveEvent): number | null {
    if (typeof event.order_id !== 'number') return null
    const says: Partial<Record<string, OrderStatus>> = { order_confirmed: 'confirmed', order_rejected: 'rejected', order_cancelled: 'cancelled' }
    const status = says[event.event_type]
    if (!status) return null
    note(event.order_id, status)
    return event.order_id
  }

  /** The later of what the row says and what was heard: a status only moves on. */
  function statusOf(order: Pick<Order, 'id' | 'status'>): OrderStatus {
    const known = heard.value.get(order.id)
    return known && RANK[known] > RANK[order.status] ? known : order.status
  }

  return { heard, note, hear, statusOf }
})
