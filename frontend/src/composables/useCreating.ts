import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { useSession } from '@/stores/session'
import { useShortcuts } from './useShortcuts'

/**
 * Whether the form for a new one is open, for those who may; "n" opens it. Kept in the address: links open it, back closes it, and
 * after signing in again it is there.
 */
export function useCreating(): WritableComputedRef<boolean> {
  const route = useRoute()
  const router = useRouter()
  const { may } = useSession()
  const creating = computed({
    get: () => route.query.new !== undefined && may('clerk'),
    set: (open) => {
      if (open === creating.value) return
      const query = { ...route.query }
      if (open) {
        query.new = '1'
        void router.push({ query })
        return
      }
      delete query.new
      delete query.product
      delete query.customer
      // Closing undoes the opening, or back would lead to where one is already.
      if (history.state?.back === router.resolve({ query }).fullPath) router.back()
      else void router.replace({ query })
    },
  })
  useShortcuts({ n: () => (creating.value = true) })
  return creating
}
