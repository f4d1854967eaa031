import { readFileSync } from 'node:fs'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const { 'x-task-types': taskTypes } = JSON.parse(
  readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'),
)

/** What isn't a file of the dashboard, nor one of Vite's own, is for the API. */
const API = /^\/(?!@|src\/|node_modules\/|index\.html|\?|$)/

/**
 * One script and one style sheet, under fixed names: functions/system/dashboard.ts adds the hashes of their contents.
 * During a deployment, a page from one version can therefore load assets from another.
 */
export default defineConfig({
  base: './',
  plugins: [react()],
  define: { TASK_TYPES: JSON.stringify(taskTypes) },
  build: {
    target: 'es2023',
    // The notices that the packages' licenses ask for.
    license: { fileName: 'licenses.md' },
    assetsDir: '',
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    // Keeps the icon a file of its own.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rollupOptions: {
      output: {
        entryFileNames: 'app.js',
        assetFileNames: ({ names }) => (names[0]?.endsWith('.css') ? 'app.css' : '[name][extname]'),
      },
    },
  },
  server: { proxy: { [API.source]: process.env.API_URL ?? 'http://localhost:8000' } },
})
