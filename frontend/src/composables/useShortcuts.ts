import { onScopeDispose } from 'vue'

const TYPING = 'input, textarea, select, [contenteditable="true"]'

/** Single keys that do something while nobody types and no dialog is open. A key is acted on after a blink, so that a scanner's first letter is not one. */
export function useShortcuts(actions: Record<string, () => void>): void {
  let timer: ReturnType<typeof setTimeout> | undefined

  function onKeydown(event: KeyboardEvent): void {
    clearTimeout(timer)
    const target = event.target as HTMLElement | null
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || target?.closest?.(TYPING)) return
    if (document.querySelector('[role="dialog"], [role="alertdialog"]')) return
    const action = actions[event.key]
    if (!action) return
    if (event.key === '/') {
      event.preventDefault()
      action()
      return
    }
    timer = setTimeout(action, 60)
  }

  document.addEventListener('keydown', onKeydown)
  onScopeDispose(() => {
    clearTimeout(timer)
    document.removeEventListener('keydown', onKeydown)
  })
}
