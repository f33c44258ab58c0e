import { readFile } from 'node:fs/promises'
import { expect, test } from './session'

const csv = (text: string) => ({ name: 'rows.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })

test('stock changes from a file: errors are seen first, good rows move stock once, even when the file is sent twice', async ({ page, manager }) => {
  const product = await manager.api.product(20)
  const file = csv(`product_code,delta,reason,reference\r\n${product.product_code},-2,damage,dropped\r\nNOPE-1,3,return,\r\n${product.product_code},x,count,\r\n${product.product_code},-500,damage,\r\n`)
  await page.goto('/import?kind=stock')
  for (const round of [1, 2]) {
    await page.getByLabel('Choose a CSV file').setInputFiles(file)
    await expect(page.getByText('3 rows with errors')).toBeVisible()
    await expect(page.getByText('no product has the code “NOPE-1”')).toBeVisible()
    await expect(page.getByText('delta is no number')).toBeVisible()
    await expect(page.getByText('would fall below zero')).toBeVisible()
    await page.getByRole('button', { name: 'Import 1 row' }).click()
    await expect(page.getByText('1 row imported')).toBeVisible()
    expect(await manager.api.stock(product.id), `round ${round}`).toBe(18)
    await page.getByRole('button', { name: 'Another file' }).click()
  }
})

test('products from a file, and the list exported as filtered, safe for spreadsheets', async ({ page, manager }) => {
  const supplier = await manager.api.supplier()
  const code = supplier.name.toUpperCase()
  await page.goto('/import?kind=products')
  await page.getByLabel('Choose a CSV file').setInputFiles(csv(`product_code,name,category,price_buy,price_sell,measure_unit,supplier\r\n${code},"=cmd, the lamp",light,1.5,2.55,piece,${supplier.name}\r\n${code}-2,Lamp,light,-1,2,piece,${supplier.name}\r\n`))
  await expect(page.getByText('price_buy is below zero')).toBeVisible()
  await page.getByRole('button', { name: 'Import 1 row' }).click()
  await expect(page.getByText('1 row imported')).toBeVisible()
  await page.goto(`/products?q=${code}`)
  await expect(page.getByText('1–1 of 1')).toBeVisible()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export CSV' }).click()])
  const text = await readFile(await download.path(), 'utf8')
  expect(text).toContain(`"'=cmd, the lamp"`)
  expect(text.trim().split('\r\n')).toHaveLength(2)
})
