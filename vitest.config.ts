import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: ['tests/setup/database.ts'],
    setupFiles: ['tests/setup/environment.ts'],
    include: ['tests/**/*.test.ts'],
    exclude: [
      '**/node_modules/**',
      'tests/browser/**',
      'tests/container/hostile.test.ts',
      'tests/containers/**',
      'tests/lambda/**',
      'tests/fuzz/**',
    ],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // More workers than processors, since tests spend most of their time waiting for the database.
    maxWorkers: 4,
    // Covers code that runs in the tests' own processes, but not replicas that tests start as separate processes.
    coverage: {
      provider: 'v8',
      include: ['shared/**', 'functions/**', 'infra/**', 'cli/**'],
      reporter: ['text', 'html'],
    },
  },
})
