/** Server-sent events out of a byte stream (WHATWG HTML, 9.2.6), since EventSource can carry no Authorization header. */

export interface ServerSentEvent {
  id: string | null
  event: string
  data: string
}

/** Feed it text as it comes; it calls back once per complete event. Comments count as life, not as events. */
export function createSseParser(onEvent: (event: ServerSentEvent) => void): (text: string) => void {
  let rest = ''
  let id: string | null = null
  let event = ''
  let data: string[] = []

  function line(text: string): void {
    if (text === '') {
      if (data.length > 0) onEvent({ id, event: event || 'message', data: data.join('\n') })
      event = ''
      data = []
      return
    }
    if (text.startsWith(':')) return
    const colon = text.indexOf(':')
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
    else if (field === 'id' && !value.includes('\0')) id = value
  }

  return (text) => {
    rest += text
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    lines.forEach(line)
  }
}

export type StreamEnd = 'closed' | 'silent' | 'unauthorized' | 'refused'

export interface StreamOptions {
  url: string
  token: string
  lastEventId: string | null
  silenceMs: number
  signal: AbortSignal
  onOpen: () => void
  onEvent: (event: ServerSentEvent) => void
}

/** Read one connection to its end, and say how it ended. Throws where the network does. */
export async function readStream(options: StreamOptions): Promise<StreamEnd> {
  const ending = new AbortController()
  const abort = (): void => ending.abort()
  options.signal.addEventListener('abort', abort)
  let silent = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const alive = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      silent = true
      ending.abort()
    }, options.silenceMs)
  }
  try {
    alive()
    const answer = await fetch(options.url, {
      headers: {
        Accept: 'text/event-stream',
        Authorization: `Bearer ${options.token}`,
        ...(options.lastEventId === null ? {} : { 'Last-Event-ID': options.lastEventId }),
      },
      cache: 'no-store',
      signal: ending.signal,
    })
    if (answer.status === 401) return 'unauthorized'
    if (!answer.ok || !answer.body || !answer.headers.get('content-type')?.includes('text/event-stream')) return 'refused'
    options.onOpen()
    const parse = createSseParser(options.onEvent)
    const reader = answer.body.getReader()
    const decoder = new TextDecoder()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return 'closed'
      alive()
      parse(decoder.decode(value, { stream: true }))
    }
  } catch (error) {
    if (silent) return 'silent'
    throw error
  } finally {
    clearTimeout(timer)
    options.signal.removeEventListener('abort', abort)
  }
}
