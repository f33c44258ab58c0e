import { randomUUID } from 'node:crypto'
import { expect, test } from './session'
import { redis, runDir, sql } from './system'

test.skip(!runDir, 'RUN_DIR names no instance to make trouble in')
const shots = process.env.SCREENSHOTS

interface Letter {
  id: number
  event_id: string
  failed_at: string
}

test('a dead letter is seen with its reason, and replayed by a manager; failing again, it comes back', async ({ page, manager }) => {
  test.setTimeout(90_000)
  const product = await manager.api.product(5)
  const event = { event_id: randomUUID(), event_type: 'procurement_stock_in', trace_id: randomUUID(), procurement_id: 1, product_id: product.id, quantity: -7 }
  const letter = async (): Promise<Letter | undefined> => (await manager.api.call<{ dead_letters: Letter[] }>('GET', '/api/system/dead-letters?replayed=false&limit=500')).dead_letters.find((one) => one.event_id === event.event_id)
  await page.goto('/operations')
  await expect(page.getByRole('heading', { name: 'Dead letters' })).toBeVisible()
  try {
    await sql('INSERT INTO outbox (event_id, channel, payload, trace_id, created_at) VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6))', [event.event_id, event.event_type, JSON.stringify(event), event.trace_id])
    const row = page.getByRole('listitem').filter({ hasText: event.event_id })
    await expect(row).toBeVisible({ timeout: 25_000 })
    await expect(row).toContainText('a quantity of -7 moves nothing')
    await expect(row).toContainText('5 attempts')
    if (shots) {
      await row.getByText('Message', { exact: true }).click()
      for (const [size, viewport] of Object.entries({ wide: { width: 1360, height: 860 }, phone: { width: 360, height: 740 } })) {
        await page.setViewportSize(viewport)
        await page.screenshot({ path: `${shots}/dead-letter-${size}.png`, fullPage: true })
      }
    }
    const first = await letter()
    await row.getByRole('button', { name: 'Replay' }).click()
    await expect(page.getByText('Handed out again')).toBeVisible()
    // It may be back before the page has asked again, which then never shows that it was gone.
    await expect.poll(async () => Date.parse((await letter())?.failed_at ?? ''), { timeout: 30_000 }).toBeGreaterThan(Date.parse(first?.failed_at ?? ''))
    expect((await letter())?.id).toBe(first?.id)
    await expect(row).toBeVisible({ timeout: 25_000 })
    expect(await manager.api.stock(product.id)).toBe(5)
  } finally {
    for (const table of ['outbox', 'delivery_failures', 'dead_letters']) await sql(`DELETE FROM ${table} WHERE event_id = %s`, [event.event_id])
  }
  await expect(page.getByText(event.event_id)).toHaveCount(0, { timeout: 15_000 })
})

test('an open breaker is seen, and its closing', async ({ page, signedIn }) => {
  expect(signedIn.token).not.toBe('')
  await page.goto('/operations')
  const badges = page.getByText(/^supplier .*open/)
  await expect(page.getByText('supplier', { exact: true }).first()).toBeVisible()
  await expect(badges).toHaveCount(0)
  try {
    await redis('HSET', 'breaker:supplier', 'state', 'open', 'opened_at', String(Date.now() / 1000))
    await expect(badges.first()).toBeVisible({ timeout: 15_000 })
    await expect(page.getByText('Something limps', { exact: true })).toBeVisible()
    if (shots) {
      for (const [size, viewport] of Object.entries({ wide: { width: 1360, height: 860 }, phone: { width: 360, height: 740 } })) {
        await page.setViewportSize(viewport)
        await page.screenshot({ path: `${shots}/open-breaker-${size}.png`, fullPage: true })
      }
    }
  } finally {
    await redis('DEL', 'breaker:supplier')
  }
  await expect(badges).toHaveCount(0, { timeout: 15_000 })
})
