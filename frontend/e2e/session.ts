import { expect, test as base, type APIRequestContext, type Page } from '@playwright/test'
import { setRole } from './system'

/** A fresh user per test, and the API at hand to set the stage. */
export interface Stage {
  username: string
  password: string
  token: string
  api: Api
}

let counter = 0
export const unique = (word: string): string => `${word}-${Date.now().toString(36)}${process.pid.toString(36)}${(counter++).toString(36)}`

export class Api {
  constructor(
    private readonly request: APIRequestContext,
    public token = '',
  ) {}

  async call<T>(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown, status?: number): Promise<T> {
    const answer = await this.request.fetch(path, { method, data: body, headers: this.token ? { Authorization: `Bearer ${this.token}` } : {} })
    if (status) expect(answer.status(), `${method} ${path}: ${await answer.text()}`).toBe(status)
    else expect(answer.ok(), `${method} ${path}: ${answer.status()} ${await answer.text()}`).toBeTruthy()
    return (await answer.json()) as T
  }

  supplier = (name = unique('Supplier')) => this.call<{ id: number; name: string }>('POST', '/api/suppliers', { name, city: 'Riga', address: 'Brivibas 1', contact_person: 'Ilze' })
  customer = (name = unique('Customer')) => this.call<{ id: number; name: string }>('POST', '/api/customers', { name, city: 'Oslo', address: 'Karl Johans gate 1', contact_person: 'Bob' })

  /** A product with this much in stock. */
  async product(stock = 0, fields: Record<string, unknown> = {}) {
    const supplierId = (fields.supplier_id as number | undefined) ?? (await this.supplier()).id
    const code = unique('P').toUpperCase()
    const product = await this.call<{ id: number; name: string; product_code: string; supplier_id: number }>('POST', '/api/products', {
      product_code: code, name: `Lantern ${code}`, category: 'light', price_buy: 1.5, price_sell: 2.55, measure_unit: 'piece', supplier_id: supplierId, ...fields,
    })
    if (stock > 0) {
      await this.call('POST', '/api/procurements', { supplier_id: supplierId, product_id: product.id, quantity: stock })
      await expect.poll(async () => (await this.stock(product.id)), { timeout: 20_000 }).toBe(stock)
    }
    return product
  }

  async stock(productId: number): Promise<number | null> {
    const answer = await this.request.get(`/api/inventory/product/${productId}`, { headers: { Authorization: `Bearer ${this.token}` } })
    return answer.ok() ? ((await answer.json()) as { quantity: number }).quantity : null
  }

  order = (customer_id: number, product_id: number, quantity: number) => this.call<{ id: number }>('POST', '/api/orders', { customer_id, product_id, quantity })
}

export async function signIn(page: Page, stage: Stage): Promise<void> {
  await page.goto('/login')
  await page.getByLabel('User name').fill(stage.username)
  await page.getByLabel('Password', { exact: true }).fill(stage.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  await page.waitForURL((url) => !url.pathname.startsWith('/login'))
}

export async function newStage(request: APIRequestContext): Promise<Stage> {
  const username = unique('clerk')
  const password = 'long enough'
  const api = new Api(request)
  await api.call('POST', '/api/auth/register', { username, email: `${username}@example.com`, password })
  api.token = (await api.call<{ token: string }>('POST', '/api/auth/login', { username, password })).token
  return { username, password, token: api.token, api }
}

export const test = base.extend<{ stage: Stage; signedIn: Stage; manager: Stage; admin: Stage }>({
  stage: async ({ request }, use) => use(await newStage(request)),
  signedIn: async ({ page, stage }, use) => {
    await signIn(page, stage)
    await use(stage)
  },
  /** Signed in with more rights than those who register have; only an operator can give them. */
  manager: async ({ page, stage }, use) => {
    await setRole(stage.username, 'manager')
    await signIn(page, stage)
    await use(stage)
  },
  admin: async ({ page, stage }, use) => {
    await setRole(stage.username, 'admin')
    await signIn(page, stage)
    await use(stage)
  },
})
export { expect }
