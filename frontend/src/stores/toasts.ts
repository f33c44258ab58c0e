import { ref } from 'vue'
import { defineStore } from 'pinia'

export interface ToastMessage {
  id: number
  kind: 'info' | 'success' | 'warning' | 'error'
  title: string
  detail?: string
  action?: { label: string; run: () => void }
  link?: { label: string; to: string }
  /** Milliseconds; null stays until it is closed. */
  lasts: number | null
}

export const useToasts = defineStore('toasts', () => {
  const messages = ref<ToastMessage[]>([])
  let last = 0

  function show(message: Omit<ToastMessage, 'id' | 'lasts'> & { lasts?: number | null }): number {
    const id = ++last
    const lasts = message.lasts === undefined ? (message.kind === 'error' ? 10_000 : 5_000) : message.lasts
    messages.value = [...messages.value.slice(-3), { ...message, id, lasts }]
    return id
  }

  /** Changes what is shown, or, where that has gone meanwhile, shows the change anew. */
  function update(id: number, change: Omit<ToastMessage, 'id'>): void {
    if (messages.value.some((message) => message.id === id)) {
      messages.value = messages.value.map((message) => (message.id === id ? { ...message, ...change } : message))
    } else show(change)
  }

  function close(id: number): void {
    messages.value = messages.value.filter((message) => message.id !== id)
  }

  return { messages, show, update, close }
})
