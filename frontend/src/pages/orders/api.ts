import { get, post } from '@/api/client'
import type { Order, OrderInput, Trace } from '@/api/types'

export const getOrder = (id: number, signal?: AbortSignal): Promise<Order> => get(`/api/orders/${id}`, undefined, signal)
export const createOrder = (input: OrderInput, idempotencyKey: string): Promise<Order> => post('/api/orders', input, { idempotencyKey })
export const getTrace = (key: string, signal?: AbortSignal): Promise<Trace> => get(`/api/system/traces/${encodeURIComponent(key)}`, undefined, signal)
