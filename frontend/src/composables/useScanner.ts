import { onScopeDispose } from 'vue'

/** On average; a single key may come late where the machine is busy. */
const PER_KEY_MS = 50
const PAUSE_MS = 150
const SHORTEST = 3

/**
 * Tells a scanner from a person: a scanner types a whole code faster than fingers can, and ends with Enter.
 * Only outside of fields; inside one, the field gets what is typed.
 */
export function useScanner(onScan: (code: string) => void): void {
  let code = ''
  let first = 0
  let last = 0

  function onKeydown(event: KeyboardEvent): void {
    const target = event.target as HTMLElement | null
    if (event.ctrlKey || event.metaKey || event.altKey || target?.closest?.('input, textarea, select, [contenteditable="true"], [role="dialog"]')) {
      code = ''
      return
    }
    if (event.key === 'Enter') {
      if (code.length >= SHORTEST && event.timeStamp - first <= code.length * PER_KEY_MS) {
        event.preventDefault()
        event.stopPropagation()
        onScan(code)
      }
      code = ''
    } else if (event.key.length === 1) {
      if (event.timeStamp - last > PAUSE_MS) code = ''
      if (code === '') first = event.timeStamp
      code += event.key
      last = event.timeStamp
    }
  }

  document.addEventListener('keydown', onKeydown, true)
  onScopeDispose(() => document.removeEventListener('keydown', onKeydown, true))
}
