import { defineConfig } from 'vitest/config'

/** `npm run test:containers`: tests that need a Docker engine, and take minutes. */
export default defineConfig({
  test: {
    globalSetup: ['tests/containers/stack.ts'],
    include: ['tests/containers/**/*.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // The suites share one stack, and the compose suite replaces the stack's `api` container.
    fileParallelism: false,
  },
})
