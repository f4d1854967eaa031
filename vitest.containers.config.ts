import { defineConfig } from 'vitest/config'

/** `npm run test:containers`: what needs a Docker engine, and takes minutes. */
export default defineConfig({
  test: {
    globalSetup: ['tests/containers/stack.ts'],
    include: ['tests/containers/**/*.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // The suites share one stack, and the compose one replaces its api.
    fileParallelism: false,
  },
})
