import { onScopeDispose } from 'vue'

const BETWEEN_KEYS_MS = 40
const SHORTEST = 3

/**
 * Tells a scanner from a person: a scanner types a whole code faster than fingers can, and ends with Enter.
 * Only outside of fields; inside one, the field gets what is typed.
 */
export function useScanner(onScan: (code: string) => void): void {
  let code = ''
  let last = 0

  function onKeydown(event: KeyboardEvent): void {
    const target = event.target as HTMLElement | null
    if (event.ctrlKey || event.metaKey || event.altKey || target?.closest?.('input, textarea, select, [contenteditable="true"], [role="dialog"]')) {
      code = ''
      return
    }
    const quick = event.timeStamp - last <= BETWEEN_KEYS_MS
    last = event.timeStamp
    if (event.key === 'Enter') {
      if (quick && code.length >= SHORTEST) {
        event.preventDefault()
        event.stopPropagation()
        onScan(code)
      }
      code = ''
    } else if (event.key.length === 1) {
      code = quick ? code + event.key : event.key
    }
  }

  document.addEventListener('keydown', onKeydown, true)
  onScopeDispose(() => document.removeEventListener('keydown', onKeydown, true))
}
