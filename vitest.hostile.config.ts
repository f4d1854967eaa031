import { defineConfig } from 'vitest/config'

/** The last part of `npm test`: a thousand hostile connections, which would slow down every other test. */
export default defineConfig({
  test: {
    globalSetup: ['tests/setup/database.ts'],
    setupFiles: ['tests/setup/environment.ts'],
    include: ['tests/container/hostile.test.ts'],
    hookTimeout: 60_000,
  },
})
