import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, test } from './session'

const paths = ['/', '/products', '/suppliers', '/customers', '/storages', '/procurements', '/orders', '/operations', '/import?kind=stock', '/users', '/nowhere']

async function axe(page: Page, what: string): Promise<void> {
  await expect(page.locator('.skeleton, .spinner.block')).toHaveCount(0)
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await expect(page.locator('html')).toHaveAttribute('data-theme', theme)
    // Colours are on their way from one theme to the other for a frame or two.
    await page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))))
    await expect.poll(() => page.evaluate(() => document.getAnimations().filter((each) => each instanceof CSSTransition).length)).toBe(0)
    // No frames here, hence its quicker mode.
    const builder = new AxeBuilder({ page }).setLegacyMode()
    // The theme changes colours and nothing else.
    const { violations } = await (theme === 'light' ? builder.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']) : builder.withRules(['color-contrast', 'link-in-text-block'])).analyze()
    const serious = violations.filter((violation) => violation.impact === 'serious' || violation.impact === 'critical')
    expect.soft(serious.map((violation) => `${what}, ${theme}: ${violation.id}: ${violation.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(' | ')}`)).toEqual([])
  }
}

test('axe finds nothing serious on any list, light or dark, nor on the way in', async ({ page, admin }) => {
  test.setTimeout(600_000)
  await admin.api.product(12)
  for (const path of paths) {
    await page.goto(path)
    await expect(page.getByRole('heading').first()).toBeVisible()
    await axe(page, path)
  }
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible()
  await axe(page, 'help')
  await page.evaluate(() => sessionStorage.clear())
  for (const path of ['/login', '/register']) {
    await page.goto(path)
    await axe(page, path)
  }
})

test('axe finds nothing serious on any page of one thing nor in any form, light or dark', async ({ page, admin }) => {
  test.setTimeout(600_000)
  const product = await admin.api.product(12)
  const customer = await admin.api.customer()
  const order = await admin.api.order(customer.id, product.id, 4)
  for (const path of [`/products/${product.id}`, `/suppliers/${product.supplier_id}`, `/customers/${customer.id}`, `/orders/${order.id}`, `/operations?find=order-${order.id}`, '/products?new=1', '/orders?new=1', '/procurements?new=1', '/customers?new=1']) {
    await page.goto(path)
    await expect(page.getByRole('heading').first()).toBeVisible()
    await axe(page, path)
  }
})

test('at 360 px nothing is wider than the screen, and the menu reaches every view', async ({ page, admin }) => {
  const product = await admin.api.product(12, { name: 'AVeryLongProductNameWithoutAnySpaceWhatsoeverInItThatMustNotWidenThePage' })
  await page.setViewportSize({ width: 360, height: 740 })
  for (const path of [...paths, `/products/${product.id}`, '/orders?new=1']) {
    await page.goto(path)
    await expect(page.locator('.skeleton, .spinner.block')).toHaveCount(0)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    expect(overflow, path).toBeLessThanOrEqual(0)
  }
  await page.goto('/')
  await page.getByRole('button', { name: 'More' }).click()
  await page.getByRole('link', { name: 'Suppliers' }).click()
  await expect(page.getByRole('heading', { name: 'Suppliers' })).toBeVisible()
})

test('operations: a message is seen to flow, and an order is found by its number', async ({ page, admin }) => {
  const product = await admin.api.product(12)
  const customer = await admin.api.customer()
  await page.goto('/operations')
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await expect(page.getByRole('img', { name: 'Which service publishes on which channel' })).toBeVisible()
  // Looked for by the page itself: a dot is gone again in two seconds.
  const flows = page.evaluate(() => new Promise<void>((resolve) => new MutationObserver(() => document.querySelector('circle.dot') && resolve()).observe(document.body, { childList: true, subtree: true })))
  const [order] = await Promise.all([admin.api.order(customer.id, product.id, 2), flows])
  await page.getByLabel('Order number, event id or trace id').fill(String(order.id))
  await page.keyboard.press('Enter')
  await expect(page.getByText('inventory: processed').first()).toBeVisible()
  await expect(page.getByText('Movement:')).toContainText('-2')
})
