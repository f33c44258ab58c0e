/** The shapes the API speaks, as its OpenAPI document tells them. */

export interface Supplier {
  id: number
  name: string
  city: string
  address: string
  contact_person: string
  version: number
}

export type Customer = Supplier

export interface Product {
  id: number
  product_code: string
  name: string
  category: string
  price_buy: number
  price_sell: number
  measure_unit: string
  supplier_id: number
  version: number
  supplier?: Supplier | null
}

export interface Storage {
  id: number
  product_id: number
  quantity: number
  version: number
  low: boolean
  low_since: string | null
  product?: Product | null
}

export type MovementReason = 'opening' | 'procurement' | 'order' | 'cancellation' | 'return' | 'correction' | 'damage' | 'count'
export type ManualReason = Extract<MovementReason, 'correction' | 'return' | 'damage' | 'count'>

export interface Movement {
  id: number
  product_id: number
  delta: number
  balance_after: number
  reason: MovementReason
  event_id: string
  reference: string | null
  trace_id: string
  created_at: string
}

export interface Alert {
  id: number
  product_id: number
  quantity: number
  threshold: number
  cause_event_id: string
  occurred_at: string
  cleared_at: string | null
}

export interface Procurement {
  id: number
  supplier_id: number
  product_id: number
  quantity: number
  unit_price: number
  total_cost: number
  timestamp: string
  supplier_name: string
  product_code: string
  product_name: string
}

export type OrderStatus = 'pending' | 'confirmed' | 'rejected' | 'cancelled'

export interface Order {
  id: number
  customer_id: number
  product_id: number
  quantity: number
  unit_price: number
  total_cost: number
  timestamp: string
  customer_name: string
  product_code: string
  product_name: string
  status: OrderStatus
  status_reason: string | null
  version: number
}

export interface User {
  id: number
  username: string
  email: string
  created_at: string
}

export interface PageInfo {
  start: number
  limit: number
  count: number
  total: number
  next_after: number | null
}

export interface Reconciliation {
  reconciled: boolean
  mismatched: number
  products: { product_id: number; quantity: number; movements: number; difference: number }[]
  total: number
}

export interface Bucket {
  start: string
  count: number
  quantity: number
  value: number
}

export interface TopProduct {
  product_id: number
  product_code: string
  product_name: string
  count: number
  quantity: number
  value: number
}

export interface TradeStatistics {
  since: string
  until: string
  count: number
  quantity: number
  value: number
  by_status?: { status: OrderStatus; count: number; quantity: number; value: number }[]
  over_time: Bucket[]
  top_by_value: TopProduct[]
  top_by_quantity: TopProduct[]
}

export interface StockStatistics {
  storages: number
  quantity: number
  value: number
  low: number
  empty: number
}

export interface Topology {
  channels: { name: string; publisher: string; event_types: string[]; consumers: string[] }[]
  services: string[]
}

export interface ConsumerProgress {
  consumer: string
  state: 'processed' | 'dead' | 'failing' | 'waiting'
  at: string | null
  attempts: number | null
  reason: string | null
  dead_letter_id: number | null
}

export interface SystemEvent {
  id: number
  event_id: string
  event_type: string
  channel: string
  trace_id: string
  occurred_at: string
  delivered_at: string | null
  payload: Record<string, unknown>
  consumers: ConsumerProgress[]
  movement?: Movement | null
}

export interface Trace {
  trace_id: string
  events: SystemEvent[]
}

export interface DeadLetter {
  id: number
  consumer: string
  event_id: string
  channel: string
  reason: string
  attempts: number
  failed_at: string
  replayed_at: string | null
  payload: Record<string, unknown>
}

export interface CacheState {
  available: boolean
  hits: number | null
  misses: number | null
  hit_rate: number | null
  keys: number | null
  memory_bytes: number | null
  memory_limit_bytes: number | null
  evicted_keys: number | null
  uptime_seconds: number | null
  kinds: { kind: string; warm: boolean; loaded: number }[]
}

export interface LiveEvent {
  channel: string
  event_id: string
  event_type: string
  occurred_at?: string
  trace_id?: string
  product_id?: number
  order_id?: number
  procurement_id?: number
  quantity?: number
  available?: number
  delta?: number
  balance_after?: number
  reason?: string
  reference?: string | null
  [field: string]: unknown
}
