import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Locator, Page } from '@playwright/test'
import { expect, newStage, signIn, test, type Stage } from './session'
import { inventory, runDir } from './system'

const real = resolve(import.meta.dirname, '../../../shared/data/online-retail-2010-12.csv')
const lines = process.env.REPLAY_FILE ?? (existsSync(real) ? real : '')
const SIZES = { K: 1e3, M: 1e6, B: 1e9 }
const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Of the dashboard's clock from UTC: where it is noon, no day ends amid the test. */
const hoursAhead = 12 - new Date().getUTCHours()

interface Trade { count: number; value: number }
interface Product { id: number; product_code: string }
interface Storage { product_id: number; quantity: number; product: Product | null }
interface Order { id: number; status: string }
interface Movement { delta: number; balance_after: number }

/** A number as the page writes it (`€1,234.50`, `€12.3K`, `+4`), and what its writing may round away. */
function parse(text: string): { number: number; rounded: number } {
  const [, digits = 'NaN', size] = /([+-]?[\d,]+(?:\.\d+)?)\s*([KMB])?/i.exec(text.replace(/[€£$\u2212]/g, (sign) => (sign === '\u2212' ? '-' : ''))) ?? []
  const by = size ? SIZES[size.toUpperCase() as 'K'] : 1
  return { number: Number(digits.replaceAll(',', '')) * by, rounded: size ? 0.0501 * by : 0.00501 }
}
const numberIn = async (place: Locator): Promise<number> => parse(await place.innerText()).number
function same(text: string, value: number, what: string): void {
  const { number, rounded } = parse(text)
  expect(Math.abs(number - value), `${what}: the page says ${text}, the API ${value}`).toBeLessThanOrEqual(rounded)
}

/** Compare once the API says the same before and after the page was read, and until the page says so too. */
async function settled<T>(ask: () => Promise<T>, read: (said: T) => Promise<void>): Promise<void> {
  await expect(async () => {
    const before = await ask()
    await read(before)
    expect<unknown>(await ask()).toEqual(before)
  }).toPass({ timeout: 120_000, intervals: [100, 250, 500] })
}

const firstPage = (page: Page, table: string): Locator => page.getByRole('table', { name: table }).locator('tbody tr:not(.skeleton)')
/** Texts of one column, read at one moment. */
const column = (page: Page, table: string, label: string): Promise<string[]> => page.getByRole('table', { name: table, exact: true }).locator(`tbody td[data-label="${label}"]`).allInnerTexts()
const total = async (page: Page): Promise<number> => parse((await page.getByRole('navigation', { name: 'Pages' }).first().innerText()).split(' of ')[1] ?? '').number

const go = (page: Page, view: string): Promise<void> => page.getByRole('navigation').getByRole('link', { name: view, exact: true }).first().click()

/** The dashboard's day, not that of this process. */
function startOfDay(daysAgo = 0): string {
  const today = Math.floor((Date.now() + hoursAhead * HOUR) / DAY) * DAY - hoursAhead * HOUR
  return new Date(today - daysAgo * DAY).toISOString()
}

async function compareDashboard(dashboard: Page, { api }: Stage): Promise<void> {
  const tile = (label: string): Promise<string> => dashboard.locator('.tile').filter({ hasText: label }).locator('.value').innerText()
  const of = (kind: string, since: string): Promise<Trade> => api.call<Trade>('GET', `/api/${kind}/statistics?since=${since}&by=day&top=1`)
  await settled(
    async () => ({
      stock: await api.call<{ value: number; low: number }>('GET', '/api/inventory/statistics'),
      orders: (await of('orders', startOfDay())).count,
      procurements: (await of('procurements', startOfDay())).count,
      sales: (await of('orders', startOfDay(29))).value,
    }),
    async ({ stock, orders, procurements, sales }) => {
      same(await tile('Stock value'), stock.value, 'stock value')
      same(await tile('Low stock'), stock.low, 'low stock')
      same(await tile('Orders today'), orders, 'orders today')
      same(await tile('Procurements today'), procurements, 'procurements today')
      same(await dashboard.locator('a.total').innerText(), sales, 'sales')
    },
  )
}

async function compareLists(page: Page, { api }: Stage): Promise<void> {
  await go(page, 'Products')
  await settled(
    async () => {
      const { products, total } = await api.call<{ products: Product[]; total: number }>('GET', '/api/products?sort=-id&limit=25')
      const { inventory } = await api.call<{ inventory: Storage[] }>('GET', `/api/inventory?product_ids=${products.map((product) => product.id).join(',')}&limit=500`)
      return { total, rows: products.map(({ id, product_code }) => ({ product_code, stock: inventory.find((storage) => storage.product_id === id)?.quantity ?? 0 })) }
    },
    async (said) => {
      const [codes, stock] = await Promise.all([column(page, 'Products', 'Code'), column(page, 'Products', 'Stock')])
      expect({ total: await total(page), rows: codes.map((product_code, index) => ({ product_code, stock: parse(stock[index] ?? '').number })) }).toEqual(said)
    },
  )
  await go(page, 'Storages')
  await settled(
    async () => {
      const { inventory, total } = await api.call<{ inventory: Storage[]; total: number }>('GET', '/api/inventory?sort=quantity&limit=25')
      return { total, rows: inventory.map(({ product, quantity }) => ({ code: product?.product_code ?? '–', quantity })) }
    },
    async (said) => {
      const [codes, quantities] = await Promise.all([column(page, 'Storages', 'Code'), column(page, 'Storages', 'Quantity')])
      expect({ total: await total(page), rows: codes.map((code, index) => ({ code, quantity: parse(quantities[index] ?? '').number })) }).toEqual(said)
    },
  )
  await go(page, 'Orders')
  await settled(
    async () => {
      const { orders, total } = await api.call<{ orders: Order[]; total: number }>('GET', '/api/orders?sort=-id&limit=25')
      return { total, rows: orders.map(({ id, status }) => ({ id, status })) }
    },
    async (said) => {
      const [ids, statuses] = await Promise.all([column(page, 'Orders', 'No.'), column(page, 'Orders', 'Status')])
      expect({ total: await total(page), rows: ids.map((id, index) => ({ id: Number(id), status: (statuses[index] ?? '').trim().toLowerCase().split('\n')[0] })) }).toEqual(said)
    },
  )
}

async function compareProduct(page: Page, { api }: Stage): Promise<void> {
  const { orders } = await api.call<{ orders: { product_id: number }[] }>('GET', '/api/orders?sort=-id&limit=1')
  const id = orders[0]?.product_id ?? 0
  await page.goto(`/products/${id}`)
  await settled(
    async () => {
      const { movements, total } = await api.call<{ movements: Movement[]; total: number }>('GET', `/api/inventory/movements?product_id=${id}&sort=-id&limit=10`)
      return { stock: await api.stock(id), total, movements: movements.map(({ delta, balance_after }) => ({ delta, balance_after })) }
    },
    async (said) => {
      const [changes, balances] = await Promise.all([column(page, 'Movements', 'Change'), column(page, 'Movements', 'Balance')])
      const movements = changes.map((change, index) => ({ delta: parse(change).number, balance_after: parse(balances[index] ?? '').number }))
      expect({ stock: await numberIn(page.locator('.facts .big dd')), total: await total(page), movements }).toEqual(said)
    },
  )
}

/** Trade as big as this: real invoice lines sold again, or where there is no instance to replay them in, orders of our own. */
async function trade({ api }: Stage, count: number): Promise<void> {
  if (runDir && lines) {
    const outcome = await inventory<{ adds_up: boolean; reconciliation: { reconciled: boolean } }>('replay', lines, '--limit', String(count))
    expect(outcome).toMatchObject({ adds_up: true, reconciliation: { reconciled: true } })
    return
  }
  const customer = await api.customer()
  const product = await api.product(count * 3)
  for (let quantity = 0; quantity < count; quantity++) await api.order(customer.id, product.id, (quantity % 4) + 1)
}

test('what the page says is what the API says, at every step of a replay', async ({ page, browser, baseURL, signedIn, request }) => {
  test.setTimeout(600_000)
  // A zone east of UTC is called GMT-1, GMT-2 ...
  const timezoneId = `Etc/GMT${hoursAhead > 0 ? '-' : '+'}${Math.abs(hoursAhead)}`
  const context = await browser.newContext({ baseURL, locale: 'en-GB', timezoneId, viewport: { width: 1280, height: 820 } })
  const dashboard = await context.newPage()
  // Loaded once: from here on it keeps up by itself.
  await signIn(dashboard, await newStage(request))
  const orders = async (): Promise<number> => (await signedIn.api.call<{ total: number }>('GET', '/api/orders?limit=1')).total

  for (const count of [3, 8, 20]) {
    const start = await orders()
    const running = trade(signedIn, count)
    // Never out of an unfinished step by an error that nobody waits for.
    running.catch(() => undefined)
    await expect.poll(orders, { timeout: 120_000 }).toBeGreaterThan(start)
    const before = await orders()
    await go(page, 'Orders')
    await expect(firstPage(page, 'Orders').first()).toBeVisible()
    const shown = await total(page)
    expect(shown).toBeGreaterThanOrEqual(before)
    expect(shown).toBeLessThanOrEqual(await orders())
    await running
    await compareDashboard(dashboard, signedIn)
    await compareLists(page, signedIn)
    await compareProduct(page, signedIn)
  }
  await context.close()
})
