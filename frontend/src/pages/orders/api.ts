import { get, post } from '@/api/client'
import type { Order, TradeStatistics, Trace } from '@/api/types'

export interface OrderInput {
  customer_id: number
  product_id: number
  quantity: number
  unit_price?: number
}

export const getOrder = (id: number, signal?: AbortSignal): Promise<Order> => get(`/api/orders/${id}`, undefined, signal)
export const createOrder = (input: OrderInput, idempotencyKey: string): Promise<Order> => post('/api/orders', input, { idempotencyKey })
export const orderStatistics = (query: Record<string, string | number>, signal?: AbortSignal): Promise<TradeStatistics> => get('/api/orders/statistics', query, signal)
export const getTrace = (key: string, signal?: AbortSignal): Promise<Trace> => get(`/api/system/traces/${encodeURIComponent(key)}`, undefined, signal)
