import { expect, it } from 'vitest'
import { createSseParser, type ServerSentEvent } from './sse'

function parsed(...chunks: string[]): ServerSentEvent[] {
  const events: ServerSentEvent[] = []
  const parse = createSseParser((event) => events.push(event))
  chunks.forEach(parse)
  return events
}

it('reads events however the stream is cut', () => {
  const text = 'id: 7.1\nevent: ready\ndata: {"a":1}\n\ndata: one\ndata: two\n\n'
  const whole = parsed(text)
  expect(whole).toEqual([
    { id: '7.1', event: 'ready', data: '{"a":1}' },
    { id: '7.1', event: 'message', data: 'one\ntwo' },
  ])
  expect(parsed(...text)).toEqual(whole)
})

it('takes comments for life rather than events, and all three line ends', () => {
  expect(parsed(': heartbeat\n\n', 'data: a\r\n\r\n', 'data: b\r\rdata: c\n\n').map((event) => event.data)).toEqual(['a', 'b', 'c'])
})

it('tells nothing of an event that is not complete', () => {
  expect(parsed('data: half\n')).toEqual([])
})
