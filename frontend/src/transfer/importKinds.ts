import { list, post, type Query } from '@/api/client'
import { messageOf } from '@/api/problem'
import type { ManualReason, Product, ProductInput, RowOutcome, Storage, Supplier } from '@/api/types'
import { formatNumber, isAmbiguous, parsePlainNumber } from '@/format'
import { storagesOf } from '@/pages/products/api'
import { t } from '@/texts'
import { unguarded } from './csvCell'

export type ImportKind = 'products' | 'suppliers' | 'customers' | 'stock'

export interface ImportRow {
  line: number
  cells: Record<string, string>
  errors: string[]
  /** What importing it will do, in words, once it is known. */
  effect: string
  /** What is sent of it, where the row has no error and changes something. */
  body: Record<string, unknown> | null
  state: 'ready' | 'sent' | 'failed'
  failure: string
}

export interface KindOfImport {
  /** Where many rows are sent at once, and their name there. */
  path: string
  rows: string
  columns: { name: string; required: boolean; example: string; maxLength?: number }[]
  /** What a row's own cells say is wrong. */
  check: (cells: Record<string, string>) => string[]
  /** What the system says: looks up what rows name, and prepares what is sent of them. */
  resolve: (rows: ImportRow[], signal: AbortSignal) => Promise<void>
  /** Rows of the same key are the same thing twice. */
  identity?: (cells: Record<string, string>) => string
}

const MANUAL: ManualReason[] = ['correction', 'return', 'damage', 'count']
const LOOKUPS_AT_ONCE = 4
/** As many as fit into an address, however long and foreign. */
const CODES_AT_ONCE = 50

/** Do it for all, a few at a time. */
export async function each<T>(items: T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
}

async function lookUp<T>(keys: string[], find: (key: string) => Promise<T>): Promise<Map<string, T>> {
  const found = new Map<string, T>()
  await each([...new Set(keys)], LOOKUPS_AT_ONCE, async (key) => {
    found.set(key, await find(key))
  })
  return found
}

/** The products with these codes. Codes are asked for many at a time; one with a comma in it, by itself. */
async function productsByCode(codes: string[], signal: AbortSignal): Promise<Map<string, Product>> {
  const wanted = [...new Set(codes)]
  const together = wanted.filter((code) => !code.includes(','))
  const queries: Query[] = wanted.filter((code) => code.includes(',')).map((code) => ({ product_code: code }))
  for (let at = 0; at < together.length; at += CODES_AT_ONCE) queries.push({ product_codes: together.slice(at, at + CODES_AT_ONCE).join(',') })
  const found = new Map<string, Product>()
  await each(queries, LOOKUPS_AT_ONCE, async (query) => {
    for (const product of (await list<Product>('/api/products', 'products', { ...query, limit: CODES_AT_ONCE }, signal)).items) found.set(product.product_code, product)
  })
  return found
}

function checkColumns(kind: KindOfImport, cells: Record<string, string>): string[] {
  return kind.columns.flatMap(({ name, required, maxLength }) => {
    const value = cells[name] ?? ''
    if (required && !value) return [t.io.errors.required(name)]
    return maxLength && value.length > maxLength ? [t.io.errors.long(name, maxLength)] : []
  })
}

/** The number in a cell that has one, or what is wrong with it. */
function readNumber(name: string, cells: Record<string, string>): { value: number | null; errors: string[] } {
  const text = cells[name]
  if (!text) return { value: null, errors: [] }
  if (isAmbiguous(text)) return { value: null, errors: [t.io.errors.ambiguous(name)] }
  const value = parsePlainNumber(text)
  return { value, errors: value === null ? [t.io.errors.number(name)] : [] }
}

function checkPrice(name: string, cells: Record<string, string>): string[] {
  const { value, errors } = readNumber(name, cells)
  return value !== null && value < 0 ? [t.io.errors.negative(name)] : errors
}

/** What a file changes of a product, in words. */
function differences(known: Product, body: ProductInput, supplierName: string): string[] {
  const names = ['name', 'category', 'price_buy', 'price_sell', 'measure_unit'] as const
  const changes = names.filter((name) => known[name] !== body[name]).map((name) => t.io.changes(name, String(known[name]), String(body[name])))
  return known.supplier_id === body.supplier_id ? changes : [...changes, t.io.changes('supplier', known.supplier?.name ?? `#${known.supplier_id}`, supplierName)]
}

function contacts(kind: 'suppliers' | 'customers'): KindOfImport {
  return {
    path: `/api/${kind}/import`,
    rows: kind,
    columns: [
      { name: 'id', required: false, example: '' },
      { name: 'name', required: true, example: 'Alder & Sons', maxLength: 200 },
      { name: 'city', required: true, example: 'Riga', maxLength: 100 },
      { name: 'address', required: true, example: 'Brivibas 1', maxLength: 300 },
      { name: 'contact_person', required: true, example: 'Ilze Kalnina', maxLength: 200 },
    ],
    check: (cells) => (cells.id && !/^\d+$/.test(cells.id) ? [t.io.errors.number('id')] : []),
    identity: (cells) => (cells.id ? `id ${cells.id}` : [cells.name, cells.city, cells.address].join('\u0000').toLowerCase()),
    resolve: async (rows) => {
      for (const row of rows) {
        const { name = '', city = '', address = '', contact_person = '', id } = row.cells
        row.effect = id ? t.io.willUpdate : t.io.willCreate
        row.body = { name, city, address, contact_person, ...(id ? { id: Number(id) } : {}) }
      }
    },
  }
}

export const KINDS: Record<ImportKind, KindOfImport> = {
  products: {
    path: '/api/products/import',
    rows: 'products',
    columns: [
      { name: 'product_code', required: true, example: 'L-100', maxLength: 64 },
      { name: 'name', required: true, example: 'Lantern', maxLength: 255 },
      { name: 'category', required: true, example: 'Lighting', maxLength: 100 },
      { name: 'price_buy', required: true, example: '1.50' },
      { name: 'price_sell', required: true, example: '2.55' },
      { name: 'measure_unit', required: true, example: 'piece', maxLength: 20 },
      { name: 'supplier', required: true, example: 'Alder & Sons' },
    ],
    check: (cells) => [...checkPrice('price_buy', cells), ...checkPrice('price_sell', cells)],
    identity: (cells) => (cells.product_code ?? '').toLowerCase(),
    resolve: async (rows, signal) => {
      const suppliers = await lookUp(
        rows.map((row) => row.cells.supplier ?? ''),
        async (name) => (await list<Supplier>('/api/suppliers', 'suppliers', { name, limit: 2 }, signal)).items,
      )
      const existing = await productsByCode(rows.map((row) => row.cells.product_code ?? ''), signal)
      for (const row of rows) {
        const name = row.cells.supplier ?? ''
        const found = suppliers.get(name) ?? []
        const [supplier] = found
        if (!supplier) row.errors.push(t.io.errors.unknownSupplier(name))
        else if (found.length > 1) row.errors.push(t.io.errors.ambiguousSupplier(name))
        else {
          const { product_code = '', name: productName = '', category = '', measure_unit = '' } = row.cells
          const body = {
            product_code, name: productName, category, measure_unit, supplier_id: supplier.id,
            price_buy: parsePlainNumber(row.cells.price_buy ?? '') ?? 0, price_sell: parsePlainNumber(row.cells.price_sell ?? '') ?? 0,
          }
          const known = existing.get(product_code)
          const changes = known ? differences(known, body, supplier.name) : []
          row.effect = known ? changes.join(', ') || t.io.unchanged : t.io.willCreate
          row.body = known && changes.length === 0 ? null : body
        }
      }
    },
  },
  suppliers: contacts('suppliers'),
  customers: contacts('customers'),
  stock: {
    path: '/api/inventory/corrections',
    rows: 'corrections',
    columns: [
      { name: 'product_code', required: true, example: 'L-100' },
      { name: 'delta', required: true, example: '-3' },
      { name: 'reason', required: true, example: 'damage' },
      { name: 'reference', required: false, example: 'broken in transport', maxLength: 120 },
    ],
    check: (cells) => {
      const delta = readNumber('delta', cells)
      return [
        ...delta.errors,
        ...(delta.value === 0 ? [t.io.errors.zero] : []),
        ...(cells.reason && !MANUAL.includes(cells.reason as ManualReason) ? [t.io.errors.reason(MANUAL.join(', '))] : []),
      ]
    },
    resolve: async (rows, signal) => {
      const products = await productsByCode(rows.map((row) => row.cells.product_code ?? ''), signal)
      const ids = [...products.values()].map((product) => product.id)
      const storages = new Map<number, Storage>()
      for (let at = 0; at < ids.length; at += 200) for (const [id, storage] of await storagesOf(ids.slice(at, at + 200), signal)) storages.set(id, storage)
      const expected = new Map([...storages].map(([id, storage]) => [id, storage.quantity]))
      for (const row of rows) {
        const product = products.get(row.cells.product_code ?? '')
        const delta = parsePlainNumber(row.cells.delta ?? '') ?? 0
        if (!product) {
          row.errors.push(t.io.errors.unknownProduct(row.cells.product_code ?? ''))
          continue
        }
        const before = expected.get(product.id) ?? 0
        if (before + delta < 0) row.errors.push(t.io.errors.short(formatNumber(before)))
        else {
          expected.set(product.id, before + delta)
          row.effect = t.storages.becomes(formatNumber(before), formatNumber(before + delta))
          row.body = { product_id: product.id, delta, reason: row.cells.reason, ...(row.cells.reference ? { reference: row.cells.reference } : {}) }
        }
      }
    },
  },
}

export const MAX_ROWS = 5000
/** Rows are sent so many at a time. */
export const BLOCK = 200

/** Send rows, and note what became of each. Each under a key made of the file and its line: a file sent twice, or half and again, changes nothing twice. */
export async function sendBlock(kind: KindOfImport, block: ImportRow[], print: string): Promise<void> {
  const rows = block.map((row) => ({ ...row.body, key: `${print}-${row.line}` }))
  try {
    const answer = await post<{ rows: Pick<RowOutcome, 'outcome' | 'detail'>[] }>(kind.path, { [kind.rows]: rows })
    answer.rows.forEach((outcome, index) => {
      const row = block[index]
      if (!row) return
      row.state = outcome.outcome === 'refused' ? 'failed' : 'sent'
      row.failure = outcome.detail ?? ''
    })
  } catch (error) {
    for (const row of block) {
      row.state = 'failed'
      row.failure = messageOf(error)
    }
  }
}

/** Rows with what is wrong with each by itself: missing, misspelt, doubled. `missing` names columns the file lacks. */
export function toRows(kind: KindOfImport, records: Record<string, string>[]): { rows: ImportRow[]; missing: string[] } {
  const given = new Set(Object.keys(records[0] ?? {}))
  const missing = kind.columns.filter((column) => column.required && !given.has(column.name)).map((column) => column.name)
  const seen = new Map<string, number>()
  const rows = records.map((record, index): ImportRow => {
    const cells = Object.fromEntries(Object.entries(record).map(([name, value]) => [name, unguarded(String(value ?? '').trim())]))
    const line = index + 2
    const errors = [...checkColumns(kind, cells), ...kind.check(cells)]
    const identity = kind.identity?.(cells)
    if (identity) {
      const first = seen.get(identity)
      if (first === undefined) seen.set(identity, line)
      else errors.push(t.io.errors.duplicate(first))
    }
    return { line, cells, errors, effect: '', body: null, state: 'ready', failure: '' }
  })
  return { rows, missing }
}

/** A short stable name for a file's content: the same file, sent again, bears the same keys. Not for security (FNV-1a, twice 32 bits). */
export function fingerprint(text: string): string {
  const hash = (seed: number): string => {
    let value = seed
    for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
    return (value >>> 0).toString(16).padStart(8, '0')
  }
  return `${hash(0x811c9dc5)}${hash(0x2c1b3c6d)}${text.length.toString(16)}`
}
