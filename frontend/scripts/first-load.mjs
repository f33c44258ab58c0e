// Fails the build when what a first visit loads (the page, its scripts, styles and fonts, gzipped) outgrows its budget.
import { readFileSync, readdirSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const BUDGET = 250 * 1024
const dist = new URL('../dist/', import.meta.url)
const html = readFileSync(new URL('index.html', dist), 'utf8')
const named = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css|svg))"/g)].map((match) => match[1])
// The latin text face is fetched on every first view; the others only where their letters occur.
const fonts = readdirSync(new URL('assets/', dist)).filter((name) => /plex-sans-latin-(wght|standard)-normal.*woff2$/.test(name)).map((name) => `assets/${name}`)

let total = gzipSync(html).length
for (const name of new Set([...named, ...fonts])) {
  const size = gzipSync(readFileSync(new URL(name, dist))).length
  total += size
  console.log(`${(size / 1024).toFixed(1).padStart(8)} kB  ${name}`)
}
console.log(`${(total / 1024).toFixed(1).padStart(8)} kB  first load, gzip (budget ${BUDGET / 1024} kB)`)
if (total > BUDGET) {
  console.error('The first load is over its budget.')
  process.exit(1)
}
