import { get, list, post, put, remove, type ListAnswer } from '@/api/client'
import type { Product, ProductInput, Storage } from '@/api/types'

export const getProduct = (id: number, signal?: AbortSignal): Promise<Product> => get(`/api/products/${id}`, undefined, signal)
export const createProduct = (input: ProductInput, idempotencyKey: string): Promise<Product> => post('/api/products', input, { idempotencyKey })
export const updateProduct = (id: number, input: ProductInput): Promise<Product> => put(`/api/products/${id}`, input)
export const deleteProduct = (id: number): Promise<void> => remove(`/api/products/${id}`)

/** The product with exactly this code, as a scanner reads it. */
export async function findByCode(code: string, signal?: AbortSignal): Promise<Product | null> {
  const found = await list<Product>('/api/products', 'products', { product_code: code.trim(), limit: 1 }, signal)
  return found.items[0] ?? null
}

/** Products by part of code, name or category, the one with exactly this code first. */
export async function searchProducts(text: string, signal?: AbortSignal, limit = 8): Promise<Product[]> {
  const [byCode, byText] = await Promise.all([
    text ? findByCode(text, signal) : null,
    list<Product>('/api/products', 'products', { q: text, limit, sort: text ? 'id' : '-id' }, signal),
  ])
  return byCode ? [byCode, ...byText.items.filter((product) => product.id !== byCode.id)].slice(0, limit) : byText.items
}

export const isCode = (product: Product, text: string): boolean => product.product_code.toLowerCase() === text.trim().toLowerCase()

/** The storages of these products, by product. A product without movements has none. */
export async function storagesOf(productIds: number[], signal?: AbortSignal): Promise<Map<number, Storage>> {
  if (productIds.length === 0) return new Map()
  const ids = [...new Set(productIds)].join(',')
  const answer: ListAnswer<Storage> = await list('/api/inventory', 'inventory', { product_ids: ids, limit: 500 }, signal)
  return new Map(answer.items.map((storage) => [storage.product_id, storage]))
}
