import type { Query } from '@/api/client'
import { list, type ListAnswer, type Plural } from '@/api/client'
import { csvLine } from './csvCell'

export interface CsvColumn<T> {
  name: string
  value: (row: T) => string | number | null | undefined
}

/** Hand a file to the browser. The mark at its beginning tells Excel that it is UTF-8. */
export function download(name: string, parts: string[]): void {
  const url = URL.createObjectURL(new Blob(['\ufeff', ...parts], { type: 'text/csv;charset=utf-8' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

export interface ExportOptions<T> {
  path: string
  plural: Plural
  query: Query
  columns: CsvColumn<T>[]
  enrich?: (rows: T[], signal: AbortSignal) => Promise<T[]>
  signal: AbortSignal
  onProgress: (done: number, total: number) => void
}

/** All rows of a list as filtered, as lines of CSV. Pages follow one another by cursor, so that the millionth row costs no more than the first. */
export async function exportLines<T extends { id: number }>(options: ExportOptions<T>): Promise<string[]> {
  const lines = [csvLine(options.columns.map((column) => column.name))]
  let done = 0
  let after: number | null = null
  for (;;) {
    const answer: ListAnswer<T> = await list<T>(options.path, options.plural, { ...options.query, after, limit: 500 }, options.signal)
    const rows = options.enrich ? await options.enrich(answer.items, options.signal) : answer.items
    for (const row of rows) lines.push(csvLine(options.columns.map((column) => column.value(row))))
    done += rows.length
    options.onProgress(done, Math.max(done, answer.total))
    if (answer.next_after === null) return lines
    after = answer.next_after
  }
}
