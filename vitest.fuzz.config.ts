import { defineConfig } from 'vitest/config'

/** `npm run test:fuzz`: random requests against every runtime. Takes many minutes; FUZZ_REQUESTS sets how many. */
export default defineConfig({
  test: {
    globalSetup: ['tests/lambda/package.ts', 'tests/setup/database.ts'],
    include: ['tests/fuzz/**/*.test.ts'],
    testTimeout: 5_400_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    // The HTTP API in front of the Lambda functions runs in the test's process. All runtimes get their own settings.
    env: { LOG_LEVEL: 'SILENT' },
  },
})
