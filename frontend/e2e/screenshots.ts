import { mkdirSync } from 'node:fs'
import { expect, signIn, test, unique } from './session'
import { setRole } from './system'

/** Every view in light and dark, wide and at 360 px, into SCREENSHOTS (default `screenshots`). */
const folder = process.env.SCREENSHOTS ?? 'screenshots'
mkdirSync(folder, { recursive: true })
const sizes = { wide: { width: 1360, height: 860 }, phone: { width: 360, height: 740 } }

for (const theme of ['light', 'dark'] as const) {
  for (const [size, viewport] of Object.entries(sizes)) {
    test(`${theme}, ${size}`, async ({ browser, stage, baseURL }) => {
      test.setTimeout(180_000)
      const context = await browser.newContext({ viewport, colorScheme: theme, baseURL, locale: 'en-GB', deviceScaleFactor: size === 'phone' ? 2 : 1 })
      const page = await context.newPage()
      const shot = async (name: string, whole = true): Promise<void> => {
        // The stream of events never ends, so there is no idle network to wait for.
        await expect(page.locator('.spinner.block')).toHaveCount(0)
        await expect(page.locator('.skeleton')).toHaveCount(0)
        await page.waitForTimeout(700)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        expect(overflow, `${name} is wider than the screen`).toBeLessThanOrEqual(0)
        await page.screenshot({ path: `${folder}/${name}-${theme}-${size}.png`, fullPage: whole })
      }
      await page.goto('/login')
      await shot('login', false)
      await page.goto('/register')
      await page.getByLabel('User name').fill('a b')
      await page.getByLabel('Password', { exact: true }).fill('short')
      await page.getByRole('button', { name: 'Create account' }).click()
      await shot('register', false)
      const supplier = await stage.api.supplier('Northwind Ceramics')
      const customer = await stage.api.customer('Corner Gift Shop')
      const product = await stage.api.product(40, { supplier_id: supplier.id, name: 'Stoneware mug', product_code: unique('MUG').toUpperCase(), category: 'Kitchen', price_buy: 4.2, price_sell: 9.5 })
      for (const quantity of [3, 5, 2]) await stage.api.order(customer.id, product.id, quantity)
      const order = await stage.api.order(customer.id, product.id, 24)
      await setRole(stage.username, 'admin')
      await signIn(page, stage)
      await shot('dashboard')
      const views: Record<string, string> = {
        products: '/products', product: `/products/${product.id}`, suppliers: '/suppliers', supplier: `/suppliers/${supplier.id}`, customers: '/customers',
        customer: `/customers/${customer.id}`, storages: '/storages', procurements: '/procurements', orders: '/orders', order: `/orders/${order.id}`, import: '/import?kind=stock', users: '/users',
      }
      for (const [name, path] of Object.entries(views)) {
        await page.goto(path)
        await shot(name)
      }
      await page.goto(`/operations?find=order-${order.id}`)
      await expect(page.getByText('Movement:')).toBeVisible()
      await stage.api.order(customer.id, product.id, 1)
      await shot('operations')
      await page.goto('/products?new=1')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      await shot('product-form', false)
      await page.goto(`/orders?new=1&product=${product.id}&customer=${customer.id}`)
      await page.getByLabel('Quantity').fill('60')
      await expect(page.getByText('this order would be refused')).toBeVisible()
      await shot('order-form', false)
      await page.goto('/import?kind=stock')
      await page.getByLabel('Choose a CSV file').setInputFiles({ name: 'count.csv', mimeType: 'text/csv', buffer: Buffer.from(`product_code,delta,reason,reference\r\n${product.product_code},-2,damage,dropped\r\nNOPE,3,return,\r\n${product.product_code},x,count,\r\n`) })
      await shot('import-preview')
      await page.goto('/nowhere')
      await shot('not-found', false)
      await context.close()
    })
  }
}
