import { defineConfig } from 'vitest/config'

/** `npm run test:lambda`: tests that run the packaged functions under AWS's own runtime client. */
export default defineConfig({
  test: {
    globalSetup: ['tests/lambda/package.ts', 'tests/setup/database.ts'],
    include: ['tests/lambda/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
