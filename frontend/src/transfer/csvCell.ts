const NUMBER = /^[+-]?\d+([.,]\d+)?$/
/** What a spreadsheet takes for the beginning of a formula, also as East Asian fonts write it; and apostrophes before it. */
const FORMULA = /^'*[=+\-@＝＋－＠\t\r\n]/

/**
 * One cell. Text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV injection); numbers,
 * negative ones too, stay numbers. The import takes the apostrophe off again.
 */
export function csvCell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return ''
  let text = String(value)
  if (FORMULA.test(text) && !NUMBER.test(text)) text = `'${text}`
  return /[",\t\r\n;]/.test(text) || /^\s|\s$/.test(text) ? `"${text.replace(/"/g, '""')}"` : text
}

export const unguarded = (text: string): string => (text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text)

export const csvLine = (cells: (string | number | null | undefined)[]): string => `${cells.map(csvCell).join(',')}\r\n`
