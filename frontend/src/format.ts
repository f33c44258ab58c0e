/** Numbers, money and dates as the reader's locale writes them. One currency per company, chosen at build time. */

const currency = import.meta.env.VITE_CURRENCY ?? 'EUR'
const locale = (import.meta.env.VITE_LOCALE as string | undefined) ?? navigator.language

const money = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' })
const moneyShort = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol', notation: 'compact', maximumFractionDigits: 1 })
const moneyWhole = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol', maximumFractionDigits: 0 })
const moneyTyped = new Intl.NumberFormat(locale, { useGrouping: false, minimumFractionDigits: 2, maximumFractionDigits: 2 })
const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 })
const numberShort = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 })
const signed = new Intl.NumberFormat(locale, { maximumFractionDigits: 3, signDisplay: 'exceptZero' })
const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 })
const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' })
const dayShort = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' })
const time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' })
const seconds = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const moment = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
const momentLong = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })

export const formatMoney = (value: number): string => money.format(value)
export const formatMoneyShort = (value: number): string => (Math.abs(value) < 10_000 ? money.format(value) : moneyShort.format(value))
/** For axes: no cents, and short. */
export const formatMoneyAxis = (value: number): string => (Math.abs(value) < 1000 ? moneyWhole.format(value) : moneyShort.format(value))
export const formatNumber = (value: number): string => number.format(value)
export const formatNumberShort = (value: number): string => (Math.abs(value) < 10_000 ? number.format(value) : numberShort.format(value))
export const formatSigned = (value: number): string => signed.format(value)
export const formatPercent = (value: number): string => percent.format(value)
export const formatDay = (value: string | Date): string => day.format(new Date(value))
export const formatDayShort = (value: string | Date): string => dayShort.format(new Date(value))
export const formatTime = (value: string | Date): string => time.format(new Date(value))
export const formatSeconds = (value: string | Date): string => seconds.format(new Date(value))
export const formatMomentLong = (value: string | Date): string => momentLong.format(new Date(value))

/** Today's moments by their time, others with their day, those of other years in full. */
export function formatMoment(value: string | Date, now = new Date()): string {
  const date = new Date(value)
  if (date.toDateString() === now.toDateString()) return time.format(date)
  return date.getFullYear() === now.getFullYear() ? moment.format(date) : `${day.format(date)}, ${time.format(date)}`
}

export function formatAgo(value: string | Date, now = Date.now()): string {
  const passed = (new Date(value).getTime() - now) / 1000
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [['second', 60], ['minute', 3600], ['hour', 86_400], ['day', Infinity]]
  const sizes = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const
  for (const [unit, below] of steps) {
    if (Math.abs(passed) < below) return relative.format(Math.round(passed / sizes[unit as keyof typeof sizes]), unit)
  }
  return formatDay(value)
}

export function formatBytes(bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte']
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0)
  return new Intl.NumberFormat(locale, { style: 'unit', unit: units[power], maximumFractionDigits: 1 }).format(bytes / 1000 ** power)
}

export function formatCountdown(secondsLeft: number): string {
  const whole = Math.max(0, Math.floor(secondsLeft))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

/** The signs a locale writes numbers with. */
export function signsOf(of: string): { group: string; decimal: string } {
  const parts = new Intl.NumberFormat(of).formatToParts(1234567.8)
  const sign = (type: string): string => parts.find((part) => part.type === type)?.value ?? ''
  return { group: sign('group'), decimal: sign('decimal') }
}
const signs = signsOf(locale)

/**
 * A number as people type it; null where it is none. The locale's own sign groups where three digits follow each:
 * "1,000" is a thousand in English and one in German. Else either sign is a decimal one.
 */
export function parseNumber(text: string, { group, decimal } = signs): number | null {
  const plain = text.trim()
  const grouped = new RegExp(`^[+-]?[1-9]\\d{0,2}(\\${group}\\d{3})+(\\${decimal}\\d*)?$`)
  return parsePlainNumber('.,'.includes(group) && grouped.test(plain) ? plain.replaceAll(group, '') : plain)
}

/** A number out of a file, whose locale nobody knows: spaces and apostrophes only group, and either sign is a decimal one. */
export function parsePlainNumber(text: string): number | null {
  const plain = text.trim().replace(/[\s\u00a0\u202f'’]/g, '')
  return /^[+-]?(\d+([.,]\d*)?|[.,]\d+)$/.test(plain) ? Number(plain.replace(',', '.')) : null
}

/** Whether a number in a file may mean a thousand or one: "1,000". */
export const isAmbiguous = (text: string): boolean => /^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$/.test(text)

/** A price to be typed over: as the locale writes it, without grouping. */
export const typedMoney = (value: number): string => moneyTyped.format(value)

/** The first moment of a day as typed in a date field (local), as the API wants it (UTC). */
export function startOfDay(date: string): string {
  return new Date(`${date}T00:00:00`).toISOString()
}

/** The first moment of the day after, for periods that include their last day. */
export function endOfDay(date: string): string {
  const next = new Date(`${date}T00:00:00`)
  next.setDate(next.getDate() + 1)
  return next.toISOString()
}

export const PERIODS = ['today', 'yesterday', 'week', 'month', 'thisMonth'] as const
export type Period = (typeof PERIODS)[number]

/** The first and the last day of a period, as they are today. */
export function periodOf(name: Period, now = new Date()): { from: string; to: string } {
  const daysAgo = (days: number): string => todayIso(new Date(now.getFullYear(), now.getMonth(), now.getDate() - days))
  const from = { today: daysAgo(0), yesterday: daysAgo(1), week: daysAgo(6), month: daysAgo(29), thisMonth: daysAgo(now.getDate() - 1) }[name]
  return { from, to: name === 'yesterday' ? from : daysAgo(0) }
}

export function todayIso(now = new Date()): string {
  return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, '0')}-${String(now.getDate()).padStart(2, '0')}`
}
