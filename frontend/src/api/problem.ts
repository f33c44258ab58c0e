import { isAxiosError } from 'axios'
import { t } from '@/texts'

export interface FieldError {
  field: string
  message: string
}

/** What went wrong, as problem+json tells it (RFC 9457), or what the network did where no answer came. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly errors: FieldError[] = [],
    readonly extensions: Record<string, unknown> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(detail)
    this.name = 'Problem'
  }

  get traceId(): string | null {
    return typeof this.extensions.trace_id === 'string' ? this.extensions.trace_id : null
  }
}

/** The API's words, which begin small and end open, as a sentence. */
const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?…]$/.test(words) ? '' : '.'}`

interface ProblemDocument {
  status?: number
  code?: string
  detail?: string
  errors?: FieldError[]
  [extension: string]: unknown
}

export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!isAxiosError(error)) return new Problem(0, 'unexpected', error instanceof Error ? error.message : String(error))
  const answer = error.response
  if (!answer) return new Problem(0, 'network', t.errors.network)
  const { code, detail, errors, ...extensions } = (typeof answer.data === 'object' && answer.data ? answer.data : {}) as ProblemDocument
  const retryAfter = Number(answer.headers['retry-after'])
  return new Problem(
    answer.status,
    code ?? `http_${answer.status}`,
    detail ? sentence(detail) : t.errors.ofStatus(answer.status),
    (errors ?? []).map(({ field, message }) => ({ field, message: sentence(message) })),
    extensions,
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  )
}

/** One sentence for a person: ours where we have a better one than the server's detail. */
export function messageOf(error: unknown): string {
  const problem = toProblem(error)
  const ours = t.problems[problem.code as keyof typeof t.problems]
  if (typeof ours === 'function') return ours(problem.extensions)
  if (ours) return ours
  if (problem.status === 503) return problem.retryAfter ? t.errors.unavailableFor(Math.ceil(problem.retryAfter)) : t.errors.unavailable
  return problem.message
}
