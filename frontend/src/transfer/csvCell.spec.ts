import { expect, it } from 'vitest'
import { csvCell, csvLine, unguarded } from './csvCell'

it.each(['=1+1', '+cmd', '-cmd', '@SUM(A1)', '\tx', '＝1+1', "'=1+1"])('disarms %j, and the import takes it back', (text) => {
  expect(csvCell(text).replace(/^"|"$/g, '')).toBe(`'${text}`)
  expect(unguarded(`'${text}`)).toBe(text)
})

it('keeps numbers numbers, negative ones too', () => {
  expect(csvLine([-3, '-3', '+2.5', 0, null, undefined])).toBe('-3,-3,+2.5,0,,\r\n')
})

it('quotes what needs it', () => {
  expect(csvCell('a, "b"\nc')).toBe('"a, ""b""\nc"')
  expect(csvCell("it's")).toBe("it's")
  expect(unguarded("'tis")).toBe("'tis")
})
