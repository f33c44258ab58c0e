import { expect, it } from 'vitest'
import { endOfDay, formatAgo, formatCountdown, parseNumber, startOfDay, todayIso } from './format'

it.each([
  ['1.5', 1.5],
  ['1,5', 1.5],
  ['-3', -3],
  ['+3', 3],
  ['1 000', 1000],
  ['.5', 0.5],
])('reads %s as people type it', (text, value) => expect(parseNumber(text)).toBe(value))

it.each(['', 'x', '1.2.3', '1e5', '--1', 'NaN', '0x10'])('takes %s for no number', (text) => expect(parseNumber(text)).toBeNull())

it('bounds a period by local days, the last one included', () => {
  expect(new Date(startOfDay('2026-03-28')).getHours()).toBe(0)
  const end = new Date(endOfDay('2026-02-28'))
  expect([end.getMonth(), end.getDate(), end.getHours()]).toEqual([2, 1, 0])
  expect(todayIso(new Date(2026, 0, 5))).toBe('2026-01-05')
})

it('counts down in minutes, never below zero', () => {
  expect(formatCountdown(61.9)).toBe('1:01')
  expect(formatCountdown(-5)).toBe('0:00')
})

it('tells how long ago', () => {
  const now = Date.UTC(2026, 0, 1, 12)
  expect(formatAgo(new Date(now - 5 * 60_000), now)).toMatch(/5 min/)
})
