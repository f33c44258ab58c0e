import { expect, signIn, test } from './session'

/** The session as it is, but with another end (the server would refuse the token; the page reads its time). */
async function endSession(page: import('@playwright/test').Page, inSeconds: number): Promise<void> {
  await page.evaluate((seconds) => {
    const kept = JSON.parse(sessionStorage.getItem('session') ?? '{}') as { token: string }
    const [head, body, signature] = kept.token.split('.')
    const claims = JSON.parse(atob((body ?? '').replace(/-/g, '+').replace(/_/g, '/'))) as Record<string, unknown>
    claims.exp = Math.floor(Date.now() / 1000) + seconds
    kept.token = [head, btoa(JSON.stringify(claims)), signature].join('.')
    sessionStorage.setItem('session', JSON.stringify(kept))
  }, inSeconds)
}

test('a page behind the door asks for sign-in and comes back to where one was', async ({ page, stage }) => {
  await page.goto('/storages?low=true')
  await expect(page).toHaveURL(/\/login\?next=/)
  await page.getByLabel('User name').fill(stage.username)
  await page.getByLabel('Password', { exact: true }).fill('wrong password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await page.getByLabel('Password', { exact: true }).fill(stage.password)
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/storages\?low=true/)
})

test('a token the server no longer takes leads to sign-in, and back to the form with what was typed', async ({ page, signedIn }) => {
  const product = await signedIn.api.product(5)
  await page.goto(`/orders?new=1&product=${product.id}`)
  await expect(page.getByRole('dialog').getByLabel('Product')).toHaveValue(product.name)
  await page.getByLabel('Quantity').fill('3')
  // The end of the session is announced ten minutes ahead; here the server also refuses the token.
  await endSession(page, 300)
  await page.reload()
  await expect(page).toHaveURL(/\/login\?next=/)
  await page.getByLabel('User name').fill(signedIn.username)
  await page.getByLabel('Password', { exact: true }).fill(signedIn.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/\/orders\?.*new=1/)
  await expect(page.getByRole('dialog').getByLabel('Quantity')).toHaveValue('3')
  await expect(page.getByRole('dialog').getByLabel('Product')).toHaveValue(product.name)
})

test('the end of the session is announced, and the session renewed without leaving the page', async ({ page, stage }) => {
  await page.clock.install()
  await signIn(page, stage)
  await page.goto('/operations')
  await expect(page.getByText('Your session ends in')).toHaveCount(0)
  await page.clock.fastForward('05:52:00')
  await expect(page.getByText(/Your session ends in [5-8]:/)).toBeVisible()
  await page.getByRole('button', { name: 'Stay signed in' }).click()
  await page.getByLabel('Password', { exact: true }).fill(stage.password)
  await page.getByRole('dialog').getByRole('button', { name: 'Stay signed in' }).click()
  await expect(page.getByText('Signed in for another 6 hours')).toBeVisible()
  await expect(page).toHaveURL(/\/operations/)
})

test('offline and back: it says so, keeps what is typed, and catches up', async ({ page, context, signedIn }) => {
  const product = await signedIn.api.product(20)
  const customer = await signedIn.api.customer()
  await page.goto(`/storages?q=${product.product_code}`)
  await expect(page.getByText('20 piece')).toBeVisible()
  await page.goto(`/orders?new=1&product=${product.id}&customer=${customer.id}`)
  const form = page.getByRole('dialog')
  await form.getByLabel('Quantity').fill('2')
  // From here on nothing that is told is missed: a stream that breaks off is resumed where it was.
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await context.setOffline(true)
  await expect(page.getByText('You are offline.', { exact: false })).toBeVisible()
  await form.getByRole('button', { name: 'Take order' }).click()
  await expect(form.getByRole('alert')).toContainText('cannot be reached')
  await expect(form.getByLabel('Quantity')).toHaveValue('2')
  const missed = await signedIn.api.order(customer.id, product.id, 1)
  await context.setOffline(false)
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await form.getByRole('button', { name: 'Take order' }).click()
  await expect(page.getByText(/Order \d+ confirmed/)).toBeVisible({ timeout: 20_000 })
  await expect(page.getByRole('link', { name: String(missed.id), exact: true })).toBeVisible()
  await expect.poll(() => signedIn.api.stock(product.id), { timeout: 15_000 }).toBe(17)
})
