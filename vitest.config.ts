import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: ['tests/setup/database.ts'],
    setupFiles: ['tests/setup/environment.ts'],
    include: ['tests/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tests/containers/**', 'tests/lambda/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most of a test is waiting for the database, so more of them than there are processors.
    maxWorkers: 4,
    // What the tests run in this process. Replicas that they start as processes of their own aren't counted.
    coverage: {
      provider: 'v8',
      include: ['shared/**', 'functions/**', 'infra/**', 'cli/**'],
      reporter: ['text', 'html'],
    },
  },
})
