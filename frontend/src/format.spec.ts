import { expect, it } from 'vitest'
import { endOfDay, formatAgo, formatCountdown, isAmbiguous, parseNumber, periodOf, signsOf, startOfDay, todayIso } from './format'

it.each([
  ['1.5', 1.5],
  ['1,5', 1.5],
  ['-3', -3],
  ['+3', 3],
  ['1 000', 1000],
  ['.5', 0.5],
])('reads %s as people type it', (text, value) => expect(parseNumber(text)).toBe(value))

it.each([
  ['en-GB', '1,000', 1000],
  ['en-GB', '-12,345,678.9', -12345678.9],
  ['en-GB', '0,500', 0.5],
  ['en-GB', '1,50', 1.5],
  ['de-DE', '1.000', 1000],
  ['de-DE', '1.234,5', 1234.5],
  ['de-DE', '1,000', 1],
  ['fr-FR', '1\u202f000,5', 1000.5],
  ['de-CH', '1’000.5', 1000.5],
])('groups as %s does: %s', (locale, text, value) => expect(parseNumber(text, signsOf(locale))).toBe(value))

it('knows what a file may mean either way', () => {
  expect(['1,000', '-12,345'].map(isAmbiguous)).toEqual([true, true])
  expect(['1,5', '1000', '0,500', '1.000', '1,0000'].map(isAmbiguous)).toEqual([false, false, false, false, false])
})

it.each(['', 'x', '1.2.3', '1e5', '--1', 'NaN', '0x10'])('takes %s for no number', (text) => expect(parseNumber(text)).toBeNull())

it('bounds a period by local days, the last one included', () => {
  expect(new Date(startOfDay('2026-03-28')).getHours()).toBe(0)
  const end = new Date(endOfDay('2026-02-28'))
  expect([end.getMonth(), end.getDate(), end.getHours()]).toEqual([2, 1, 0])
  expect(todayIso(new Date(2026, 0, 5))).toBe('2026-01-05')
})

it('knows the days of a period by its name', () => {
  const now = new Date(2026, 2, 1, 23, 59)
  expect(periodOf('today', now)).toEqual({ from: '2026-03-01', to: '2026-03-01' })
  expect(periodOf('yesterday', now)).toEqual({ from: '2026-02-28', to: '2026-02-28' })
  expect(periodOf('week', now)).toEqual({ from: '2026-02-23', to: '2026-03-01' })
  expect(periodOf('thisMonth', now)).toEqual({ from: '2026-03-01', to: '2026-03-01' })
})

it('counts down in minutes, never below zero', () => {
  expect(formatCountdown(61.9)).toBe('1:01')
  expect(formatCountdown(-5)).toBe('0:00')
})

it('tells how long ago', () => {
  const now = Date.UTC(2026, 0, 1, 12)
  expect(formatAgo(new Date(now - 5 * 60_000), now)).toMatch(/5 min/)
})
