import { useRouter } from 'vue-router'
import { findByCode } from '@/pages/products/api'

/** Leads to the product that has exactly this code; says whether there is one. */
export function useOpenByCode(): (code: string) => Promise<boolean> {
  const router = useRouter()
  return async (code) => {
    const product = code ? await findByCode(code) : null
    if (product) void router.push(`/products/${product.id}`)
    return product !== null
  }
}
