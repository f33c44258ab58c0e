import { get, post } from '@/api/client'
import type { Procurement, TradeStatistics } from '@/api/types'

export interface ProcurementInput {
  supplier_id: number
  product_id: number
  quantity: number
  unit_price?: number
}

export const createProcurement = (input: ProcurementInput, idempotencyKey: string): Promise<Procurement> => post('/api/procurements', input, { idempotencyKey })
export const procurementStatistics = (query: Record<string, string | number>, signal?: AbortSignal): Promise<TradeStatistics> => get('/api/procurements/statistics', query, signal)
