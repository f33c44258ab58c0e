import { get, post, put } from '@/api/client'
import type { ManualReason, Reconciliation, Storage } from '@/api/types'

export type StockChange = ({ quantity: number } | { delta: number }) & { reason: ManualReason; reference?: string }

export const changeStock = (storageId: number, change: StockChange, idempotencyKey: string): Promise<Storage> => put(`/api/inventory/${storageId}`, change, { idempotencyKey })
export const openStorage = (productId: number, quantity: number, idempotencyKey: string): Promise<Storage> => post('/api/inventory', { product_id: productId, quantity }, { idempotencyKey })
export const reconcile = (signal?: AbortSignal): Promise<Reconciliation> => get('/api/inventory/reconcile', { limit: 5, mismatched: true }, signal)
