import { isUnreachable, type Queryable } from './db.ts'
import { AppError } from './errors.ts'
import schema from './schema.json' with { type: 'json' }

/** The newest migration, which this code requires. */
export const NEWEST_MIGRATION = schema.migrations.at(-1)?.name ?? ''

/** The reasons why requests can't be served. */
type NotReady = 'draining' | 'database' | 'migrations'

const notReady = (reason: NotReady, detail: string): AppError =>
  new AppError('unavailable', detail, { reason })

/**
 * Throws `unavailable` with a `reason` if this process is shutting down, if the database doesn't respond to a probe, or
 * if the newest migration isn't applied.
 */
export async function checkReadiness(probe: Queryable, isDraining: boolean): Promise<void> {
  if (isDraining) throw notReady('draining', 'this process is shutting down')
  const isMigrated = await findMigration(probe).catch((error: unknown) => {
    if (isUnreachable(error)) throw notReady('database', 'the database did not respond within a second')
    throw error
  })
  if (!isMigrated) throw notReady('migrations', `migration ${NEWEST_MIGRATION} has not been applied`)
}

const UNDEFINED_TABLE = '42P01'

async function findMigration(sql: Queryable): Promise<boolean> {
  try {
    const rows = await sql`select from schema_migrations where name = ${NEWEST_MIGRATION}`
    return rows.length > 0
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) return false
    throw error
  }
}
