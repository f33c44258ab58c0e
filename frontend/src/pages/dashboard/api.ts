import { get, list } from '@/api/client'
import type { Alert, Product, StockStatistics, SystemEvent, TradeStatistics } from '@/api/types'
import { getProduct } from '@/pages/products/api'

/** Minutes east of UTC, for the server to know where our days begin. */
const utcOffset = (): number => -new Date().getTimezoneOffset()

function startOfToday(): Date {
  const now = new Date()
  return new Date(now.getFullYear(), now.getMonth(), now.getDate())
}

export const stockStatistics = (signal?: AbortSignal): Promise<StockStatistics> => get('/api/inventory/statistics', undefined, signal)

export function tradeToday(kind: 'orders' | 'procurements', signal?: AbortSignal): Promise<TradeStatistics> {
  return get(`/api/${kind}/statistics`, { since: startOfToday().toISOString(), by: 'day', utc_offset: utcOffset(), top: 0 }, signal)
}

export function salesOfMonth(signal?: AbortSignal): Promise<TradeStatistics> {
  const since = startOfToday()
  since.setDate(since.getDate() - 29)
  return get('/api/orders/statistics', { since: since.toISOString(), by: 'day', utc_offset: utcOffset(), top: 8 }, signal)
}

/** The latest events, and the names of the products they are about. */
export async function latestEvents(signal?: AbortSignal): Promise<{ events: SystemEvent[]; names: Map<number, string> }> {
  const events = (await list<SystemEvent>('/api/system/events', 'events', { limit: 9 }, signal)).items
  const ids = [...new Set(events.flatMap(({ payload }) => (typeof payload.product_id === 'number' ? [payload.product_id] : [])))]
  const products = ids.length > 0 ? await list<Product>('/api/products', 'products', { ids: ids.join(','), limit: 500 }, signal).catch(() => null) : null
  return { events, names: new Map(products?.items.map((product) => [product.id, product.name])) }
}

export interface NamedAlert extends Alert {
  name: string
}

export async function activeAlerts(signal?: AbortSignal): Promise<NamedAlert[]> {
  const alerts = (await list<Alert>('/api/inventory/alerts', 'alerts', { sort: '-id', limit: 6 }, signal)).items
  return Promise.all(alerts.map(async (alert) => ({ ...alert, name: await getProduct(alert.product_id, signal).then((product) => product.name, () => `#${alert.product_id}`) })))
}
