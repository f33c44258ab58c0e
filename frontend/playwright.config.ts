import { existsSync } from 'node:fs'

import { defineConfig } from '@playwright/test'

const DEBIANS = '/usr/bin/chromium'

// Against the running system, with Debian's Chromium where there is one; elsewhere with that of Playwright.
export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  timeout: 120_000,
  expect: { timeout: 20_000 },
  fullyParallel: true,
  workers: Number(process.env.PAGE_WORKERS ?? 2),
  retries: 0,
  reporter: [['list']],
  use: {
    baseURL: process.env.PAGE_URL ?? 'http://127.0.0.1:8080',
    locale: 'en-GB',
    timezoneId: 'Europe/Riga',
    viewport: { width: 1280, height: 820 },
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? (existsSync(DEBIANS) ? DEBIANS : undefined),
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    },
  },
  projects: [
    { name: 'together', testMatch: /.*\.e2e\.ts/ },
    // What others would disturb, or would be disturbed by: one after another, once they are done.
    { name: 'e2e', testMatch: /.*\.alone\.ts/, fullyParallel: false, workers: 1, dependencies: ['together'] },
    { name: 'screenshots', testMatch: /screenshots\.ts/ },
  ],
})
