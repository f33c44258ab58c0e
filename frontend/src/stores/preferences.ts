import { computed, ref, watch } from 'vue'
import { defineStore } from 'pinia'

export type Theme = 'system' | 'light' | 'dark'

export const usePreferences = defineStore('preferences', () => {
  const theme = ref<Theme>((localStorage.getItem('theme') as Theme | null) ?? 'system')
  const system = window.matchMedia?.('(prefers-color-scheme: dark)')
  const systemDark = ref(system?.matches ?? false)
  system?.addEventListener('change', (change) => (systemDark.value = change.matches))

  const dark = computed(() => theme.value === 'dark' || (theme.value === 'system' && systemDark.value))
  watch(dark, (is) => (document.documentElement.dataset.theme = is ? 'dark' : 'light'), { immediate: true })
  watch(theme, (chosen) => (chosen === 'system' ? localStorage.removeItem('theme') : localStorage.setItem('theme', chosen)))

  return { theme, dark }
})
