import postgres from 'postgres'
import { examine, type Violation } from '../../infra/doctor/violations.ts'
import { config } from '../../shared/config.ts'

/** Returns the violations of invariants in a database, all read in one snapshot. */
export async function findViolations(
  leaseSeconds = config().leaseSeconds,
  url = config().databaseUrl ?? '',
): Promise<Violation[]> {
  const sql = postgres(url, { max: 1 })
  try {
    const { violations } = await sql.begin('isolation level repeatable read read only', (tx) =>
      examine(tx, leaseSeconds),
    )
    return violations
  } finally {
    await sql.end()
  }
}
