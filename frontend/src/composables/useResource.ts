import { onScopeDispose, ref, shallowRef, watch, type Ref, type WatchSource } from 'vue'
import { isCancel } from 'axios'
import { toProblem, type Problem } from '@/api/problem'

export interface Resource<T> {
  data: Ref<T | null>
  error: Ref<Problem | null>
  /** True until the first answer; a reload keeps what is shown. */
  loading: Ref<boolean>
  reloading: Ref<boolean>
  reload: () => Promise<void>
}

/** Something loaded from the API, loaded again when `sources` change. Only the latest request's answer counts. */
export function useResource<T>(load: (signal: AbortSignal) => Promise<T>, sources: WatchSource[] = []): Resource<T> {
  const data = shallowRef<T | null>(null)
  const error = shallowRef<Problem | null>(null)
  const loading = ref(true)
  const reloading = ref(false)
  let request: AbortController | null = null

  async function reload(): Promise<void> {
    request?.abort()
    const mine = (request = new AbortController())
    reloading.value = true
    try {
      const answer = await load(mine.signal)
      if (mine !== request) return
      data.value = answer
      error.value = null
    } catch (failure) {
      if (mine !== request || isCancel(failure)) return
      error.value = toProblem(failure)
    }
    loading.value = false
    reloading.value = false
  }

  watch(sources, () => {
    data.value = null
    loading.value = true
    void reload()
  })
  void reload()
  onScopeDispose(() => request?.abort())
  return { data, error, loading, reloading, reload }
}
