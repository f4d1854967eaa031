import { defineConfig } from 'vitest/config'

/** `npm run test:browser`: the dashboard in Chromium, which CHROMIUM_PATH names. */
export default defineConfig({
  test: {
    globalSetup: ['tests/setup/database.ts'],
    setupFiles: ['tests/setup/environment.ts'],
    include: ['tests/browser/**/*.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 60_000,
    // A browser and a server each: several of them would slow each other down.
    fileParallelism: false,
  },
})
