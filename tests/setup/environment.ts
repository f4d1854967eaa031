import { afterAll } from 'vitest'
import { cloneDatabase } from './clone-database.ts'

// Runs before the test file's imports, since the settings are read only once, on first use.
const database = await cloneDatabase()
process.env.DATABASE_URL = database.url
process.env.API_KEY = 'test-key'
process.env.LOG_LEVEL = process.env.DEBUG ? 'DEBUG' : 'SILENT'

afterAll(async () => {
  const { db } = await import('../../shared/db.ts')
  await db().end({ timeout: 5 })
  await database.drop()
})
