import { ref, shallowRef, watch, type Ref } from 'vue'
import { onLiveEvent, refreshOn } from './useLive'
import { messageOf, toProblem } from '@/api/problem'
import { storagesOf } from '@/pages/products/api'

export interface Stock {
  quantity: Ref<number | null>
  loading: Ref<boolean>
  problem: Ref<string>
}

/** How much there is of one product, kept true while it is shown. A product without a storage has none. */
export function useStock(productId: () => number | null | undefined): Stock {
  const quantity = shallowRef<number | null>(null)
  const loading = ref(false)
  const problem = ref('')

  async function load(): Promise<void> {
    const id = productId()
    if (!id) return
    try {
      const storage = (await storagesOf([id])).get(id)
      if (id !== productId()) return
      quantity.value = storage?.quantity ?? 0
      problem.value = ''
    } catch (error) {
      if (id === productId()) problem.value = messageOf(toProblem(error))
    } finally {
      loading.value = false
    }
  }

  watch(
    productId,
    (id) => {
      quantity.value = null
      loading.value = Boolean(id)
      void load()
    },
    { immediate: true },
  )
  onLiveEvent((event) => {
    if (event.channel === 'stock_movements' && event.product_id === productId() && typeof event.balance_after === 'number') quantity.value = event.balance_after
  })
  refreshOn((event) => event.product_id === productId() && ['order_status', 'procurement_stock_in'].includes(event.channel), load)
  return { quantity, loading, problem }
}
