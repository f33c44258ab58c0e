import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// Where the running system is, for `npm run dev`. Live events come from a server of their own; behind the built page all is one origin.
const offset = Number(process.env.PORT_OFFSET ?? 0)
const gateway = process.env.API_URL ?? `http://127.0.0.1:${8000 + offset}`
const events = process.env.EVENTS_URL ?? `http://127.0.0.1:${8090 + offset}`

export default defineConfig({
  plugins: [vue()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: {
    host: '127.0.0.1',
    port: Number(process.env.PAGE_PORT ?? 5173 + offset),
    proxy: {
      '/api/events': { target: events },
      '/api': { target: gateway },
      '/health': { target: gateway },
    },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    manifest: true,
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        manualChunks(id) {
          if (/node_modules\/(vue|@vue|vue-router|pinia|axios)\//.test(id)) return 'framework'
          return undefined
        },
      },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.spec.ts'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 60_000,
  },
})
