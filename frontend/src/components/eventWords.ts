import type { LiveEvent, SystemEvent } from '@/api/types'
import { formatNumber, formatSigned } from '@/format'
import { t } from '@/texts'

export interface EventWords {
  title: string
  detail: string
  to: string | null
}

/** What an event says, in words, and where it leads. */
export function wordsOf(event: Pick<SystemEvent, 'event_type' | 'payload'> | LiveEvent, names?: Map<number, string>): EventWords {
  const fields = ('payload' in event ? event.payload : event) as Record<string, unknown>
  const number = (name: string): number | null => (typeof fields[name] === 'number' ? fields[name] : null)
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '')
  const title = t.events[event.event_type] ?? event.event_type
  const order = number('order_id')
  const quantity = number('quantity')
  const product = number('product_id')
  const name = product === null ? '' : (names?.get(product) ?? '')
  const named = (detail: string): string => [name, detail].filter(Boolean).join(' · ')
  if (order !== null) return { title, detail: `${t.orders.number(order)}${quantity === null ? '' : ` · ${formatNumber(quantity)}${name ? ` × ${name}` : ''}`}`, to: `/orders/${order}` }
  if (event.event_type === 'stock_changed') return { title, detail: `${formatSigned(number('delta') ?? 0)} → ${formatNumber(number('balance_after') ?? 0)}`, to: `/products/${product}` }
  if (event.event_type === 'low_stock' || event.event_type === 'stock_recovered') return { title, detail: named(t.dashboard.left(quantity ?? 0)), to: `/products/${product}` }
  if (event.event_type === 'procurement_stock_in') return { title, detail: named(`+${formatNumber(quantity ?? 0)}`), to: `/products/${product}` }
  for (const kind of ['supplier', 'customer', 'product'] as const) {
    if (event.event_type.startsWith(`${kind}_`)) return { title, detail: text('name'), to: event.event_type.endsWith('_deleted') ? null : `/${kind}s/${number(`${kind}_id`)}` }
  }
  return { title, detail: '', to: null }
}
