import { connect, type Database, LONG_LIMITS } from '../../shared/db.ts'
import { cloneDatabase } from './clone-database.ts'

type TestDatabase = { url: string; sql: Database; drop(): Promise<void> }

/** Creates a migrated database. Call it in `beforeAll`, and `drop` in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const clone = await cloneDatabase()
  const sql = connect(clone.url, { max: 20, limits: LONG_LIMITS })
  const drop = async () => {
    await sql.end({ timeout: 5 })
    await clone.drop()
  }
  return { url: clone.url, sql, drop }
}
