import { expect, it, vi } from 'vitest'
import * as client from '@/api/client'
import { each, fingerprint, KINDS, sendBlock, toRows, type ImportRow } from './importKinds'

it('names what is wrong with each row by itself', () => {
  const { rows, missing } = toRows(KINDS.stock, [
    { product_code: 'A', delta: '-2', reason: 'damage' },
    { product_code: '', delta: 'x', reason: 'theft' },
    { product_code: 'B', delta: '0', reason: 'count' },
  ])
  expect(missing).toEqual([])
  expect(rows.map((row) => row.line)).toEqual([2, 3, 4])
  expect(rows[0]?.errors).toEqual([])
  expect(rows[1]?.errors).toEqual(['product_code is missing', 'delta is no number', 'reason must be one of correction, return, damage, count'])
  expect(rows[2]?.errors).toEqual(['delta is zero'])
})

it('sees the same product twice, whatever its case', () => {
  const row = { product_code: 'L-1', name: 'Lamp', category: 'c', price_buy: '1', price_sell: '2', measure_unit: 'piece', supplier: 'S' }
  const { rows } = toRows(KINDS.products, [row, { ...row, product_code: 'l-1', price_buy: '-1' }])
  expect(rows[1]?.errors).toEqual(['price_buy is below zero', 'same as line 2'])
})

it('lets stock move twice for the same product', () => {
  const row = { product_code: 'A', delta: '1', reason: 'return' }
  expect(toRows(KINDS.stock, [row, row]).rows.flatMap((made) => made.errors)).toEqual([])
})

it('misses columns the file does not have', () => {
  expect(toRows(KINDS.suppliers, [{ name: 'x' }]).missing).toEqual(['city', 'address', 'contact_person'])
})

it('takes the apostrophe of a guarded cell off', () => {
  expect(toRows(KINDS.suppliers, [{ name: "'=Alder", city: 'c', address: 'a', contact_person: 'p' }]).rows[0]?.cells.name).toBe('=Alder')
})

it('knows a file again by its content', () => {
  expect(fingerprint('a,b\n1,2')).toBe(fingerprint('a,b\n1,2'))
  expect(fingerprint('a,b\n1,2')).not.toBe(fingerprint('a,b\n1,3'))
})

it('does all, never more than so many at once', async () => {
  let running = 0
  let most = 0
  const done: number[] = []
  await each([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    done.push(item)
    running -= 1
  })
  expect(most).toBe(2)
  expect(done).toHaveLength(5)
})

it('sends rows under keys made of the file and their lines, and notes what became of each', async () => {
  const row = (line: number): ImportRow => ({ line, cells: {}, errors: [], effect: '', body: { product_id: line, delta: 1 }, state: 'ready', failure: '' })
  const rows = [row(2), row(5)]
  const post = vi.spyOn(client, 'post').mockResolvedValue({ rows: [{ outcome: 'moved', detail: null }, { outcome: 'refused', detail: 'only 3 in stock' }] })
  await sendBlock(KINDS.stock, rows, 'print')
  expect(post).toHaveBeenCalledWith('/api/inventory/corrections', { corrections: [{ product_id: 2, delta: 1, key: 'print-2' }, { product_id: 5, delta: 1, key: 'print-5' }] })
  expect(rows.map(({ state, failure }) => [state, failure])).toEqual([['sent', ''], ['failed', 'only 3 in stock']])
  post.mockRejectedValue(new Error('away'))
  const [refused] = rows.slice(1)
  if (refused) await sendBlock(KINDS.stock, [refused], 'print')
  expect(refused?.state).toBe('failed')
})

it('says what a file would do to each product, and sends nothing that changes nothing', async () => {
  const supplier = { id: 1, name: 'Alder' }
  const known = { id: 5, product_code: 'L-1', name: 'Lamp', category: 'light', price_buy: 1, price_sell: 2.55, measure_unit: 'piece', supplier_id: 1 }
  vi.spyOn(client, 'list').mockImplementation(async (path, _plural, query) => {
    const codes = String(query?.product_codes ?? query?.product_code).split(query?.product_codes ? ',' : '\n').filter((code) => code !== 'L-3')
    const items = path === '/api/suppliers' ? [supplier] : codes.map((product_code) => ({ ...known, product_code }))
    return { items: items as never[], start: 0, limit: 1, count: items.length, total: items.length, total_exact: true, next_after: null }
  })
  const cells = { name: 'Lamp', category: 'light', price_buy: '1', price_sell: '2.55', measure_unit: 'piece', supplier: 'Alder' }
  const { rows } = toRows(KINDS.products, [{ ...cells, product_code: 'L-1' }, { ...cells, product_code: 'L-2', price_sell: '2,8' }, { ...cells, product_code: 'L-3' }, { ...cells, product_code: 'L,4' }])
  await KINDS.products.resolve(rows, new AbortController().signal)
  expect(rows.map(({ effect, body }) => [effect, body !== null])).toEqual([['unchanged', false], ['price_sell: 2.55 → 2.8', true], ['new', true], ['unchanged', false]])
})
