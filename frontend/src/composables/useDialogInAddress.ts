import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** Whether a dialog is open, kept in the address: links open it, back closes it, and after signing in again it is there. */
export function useDialogInAddress(name = 'new'): WritableComputedRef<boolean> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => route.query[name] !== undefined,
    set: (open) => {
      if (open === (route.query[name] !== undefined)) return
      const query = { ...route.query }
      if (open) {
        query[name] = '1'
        void router.push({ query })
        return
      }
      delete query[name]
      delete query.product
      delete query.customer
      // Closing undoes the opening, or back would lead to where one is already.
      if (history.state?.back === router.resolve({ query }).fullPath) router.back()
      else void router.replace({ query })
    },
  })
}
