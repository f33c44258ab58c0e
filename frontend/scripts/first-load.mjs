// Fails the build when a first visit - from nothing to the dashboard - loads more than its budget, gzipped. Charts come after, and are shown beside.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const BUDGET = 250 * 1024
const FIRST_VISIT = ['index.html', 'src/layouts/AppShell.vue', 'src/pages/dashboard/DashboardPage.vue']
const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'))
const weigh = (file) => gzipSync(readFileSync(new URL(file, dist))).length

const files = new Set(['index.html', 'theme.js', 'favicon.svg'])
const seen = new Set()
function follow(name) {
  if (seen.has(name)) return
  seen.add(name)
  const chunk = manifest[name]
  if (!chunk) throw new Error(`${name} is not in the manifest`)
  files.add(chunk.file)
  for (const style of chunk.css ?? []) files.add(style)
  // The latin faces are fetched on every first visit; the others only where their letters occur.
  for (const asset of chunk.assets ?? []) if (/plex-sans-latin-wght-normal.*woff2$/.test(asset)) files.add(asset)
  for (const imported of chunk.imports ?? []) follow(imported)
}
FIRST_VISIT.forEach(follow)

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} kB`
const sizes = [...files].map((file) => [weigh(file), file]).sort((a, b) => b[0] - a[0])
for (const [size, file] of sizes.filter(([size]) => size > 1024)) console.log(`${kilobytes(size)}  ${file}`)
const total = sizes.reduce((sum, [size]) => sum + size, 0)
console.log(`${kilobytes(total)}  first load, gzip (budget ${BUDGET / 1024} kB)`)
console.log(`${kilobytes(weigh(manifest['src/charts.ts'].file))}  charts, loaded where they are shown`)
if (total > BUDGET) {
  console.error('The first load is over its budget.')
  process.exit(1)
}
