/** The shapes the API speaks, under the page's own names. They come from its OpenAPI document: `npm run types` after a change of it. */
import type { components } from './openapi'

type Schemas = components['schemas']

export type Supplier = Schemas['SupplierOut']
export type Customer = Schemas['CustomerOut']
/** A product as its service answers it; within a storage it comes without its supplier. */
export type Product = Omit<Schemas['SuppliedProduct'], 'supplier'> & { supplier?: Schemas['SuppliedProduct']['supplier'] }
export type ProductInput = Schemas['ProductIn']
export type Storage = Omit<Schemas['StorageOut'], 'product'> & { product?: Schemas['StorageProduct'] | null }
export type Movement = Schemas['MovementOut']
export type MovementReason = Movement['reason']
export type ManualReason = NonNullable<Schemas['StockChange']['reason']>
export type Alert = Schemas['AlertOut']
export type Procurement = Schemas['ProcurementOut']
export type ProcurementInput = Schemas['ProcurementIn']
export type Order = Schemas['OrderOut']
export type OrderInput = Schemas['OrderIn']
export type OrderStatus = Order['status']
export type User = Schemas['UserOut']
export type Role = User['role']
export type RowOutcome = Schemas['RowOutcome'] | Schemas['CorrectionOutcome']
export type Session = Schemas['Session']
export type Reconciliation = Schemas['Reconciliation']
export type StockStatistics = Schemas['InventoryStatistics']
/** Of orders with their statuses, of procurements without. */
export type TradeStatistics = Omit<Schemas['OrderStatistics'], 'by_status'> & { by_status?: Schemas['OrderStatistics']['by_status'] }
export type Topology = Schemas['Topology']
export type DeadLetter = Schemas['DeadLetterOut']
export type CacheState = Schemas['CacheStatistics']
export type Health = Schemas['SystemHealth']

/** An event with who takes it up, and in a trace with the change of stock it caused. */
export type SystemEvent = Schemas['EventOut'] & { movement?: Schemas['Movement'] | null }
export type Trace = Omit<Schemas['Trace'], 'events'> & { events: SystemEvent[] }

/** What is heard live: the document names what all have in common; these are the fields the page reads. */
export interface LiveEvent {
  channel: string
  event_id: string
  event_type: string
  occurred_at?: string
  trace_id?: string
  product_id?: number
  order_id?: number
  quantity?: number
  delta?: number
  balance_after?: number
  reference?: string | null
  [field: string]: unknown
}

export interface PageInfo {
  start: number
  limit: number
  count: number
  total: number
  /** Whether `total` is all; if not, there are at least as many. */
  total_exact: boolean
  next_after: number | null
}
