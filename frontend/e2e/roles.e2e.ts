import { expect, newStage, signIn, test } from './session'
import { setRole } from './system'

test('an admin gives roles, disables and enables, on the page', async ({ page, admin, request }) => {
  const other = await newStage(request)
  await page.goto(`/users?q=${other.username}`)
  const role = page.getByLabel(`Role of ${other.username}`)
  await expect(role).toHaveValue('clerk')
  await role.selectOption('manager')
  await expect(page.getByText(`${other.username} is Manager now`)).toBeVisible()
  await page.getByRole('button', { name: `Actions for ${other.username}` }).click()
  await page.getByRole('menuitem', { name: 'Disable' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Disable' }).click()
  await expect(page.getByText('Disabled', { exact: true }).first()).toBeVisible()
  await admin.api.call('POST', '/api/auth/login', { username: other.username, password: other.password }, 403)
  await page.getByRole('button', { name: `Actions for ${other.username}` }).click()
  await page.getByRole('menuitem', { name: 'Enable' }).click()
  await expect(page.getByText(`${other.username} may sign in again`)).toBeVisible()
  expect((await admin.api.call<{ user: { role: string } }>('POST', '/api/auth/login', { username: other.username, password: other.password })).user.role).toBe('manager')
})

test('a viewer is offered what can be read, and nothing that would be refused', async ({ page, stage }) => {
  const product = await stage.api.product(12)
  await setRole(stage.username, 'viewer')
  await signIn(page, stage)
  await expect(page.getByRole('link', { name: 'New order' })).toHaveCount(0)
  for (const name of ['Import', 'Users']) await expect(page.getByRole('link', { name, exact: true })).toHaveCount(0)
  await page.goto(`/products/${product.id}`)
  await expect(page.getByRole('heading', { name: product.name })).toBeVisible()
  for (const name of ['Sell', 'Buy']) await expect(page.getByRole('link', { name, exact: true })).toHaveCount(0)
  await expect(page.getByRole('button', { name: /^Actions for/ })).toHaveCount(0)
  await page.goto('/orders?new=1')
  await expect(page.getByRole('heading', { name: 'Orders' })).toBeVisible()
  await expect(page.getByRole('dialog')).toHaveCount(0)
  for (const path of ['/users', '/import?kind=stock']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { name: /^Hello/ })).toBeVisible()
  }
})

test('signing out ends the token, and a new password those of elsewhere', async ({ page, signedIn }) => {
  await page.getByRole('button', { name: signedIn.username }).click()
  await page.getByRole('menuitem', { name: 'Change password' }).click()
  await page.getByLabel('Current password').fill('not the password')
  await page.getByLabel('New password').fill('an even longer one')
  await page.getByRole('dialog').getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('is not the current password')).toBeVisible()
  await page.getByLabel('Current password').fill(signedIn.password)
  await page.getByRole('dialog').getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('Password changed')).toBeVisible()
  const here = await page.evaluate(() => (JSON.parse(sessionStorage.getItem('session') ?? '{}') as { token: string }).token)
  expect(here).not.toBe(signedIn.token)
  const [request] = await Promise.all([
    page.waitForRequest('**/api/auth/logout'),
    page.getByRole('button', { name: signedIn.username }).click().then(() => page.getByRole('menuitem', { name: 'Sign out' }).click()),
  ])
  expect(request.headers().authorization).toBe(`Bearer ${here}`)
  expect((await request.response())?.status()).toBe(204)
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible()
})
