import { existsSync } from 'node:fs'
import postgres from 'postgres'
import { DATA_FOLDER, type LocalPostgres, startPostgres } from '../postgres/postgres.ts'
import { examine } from './violations.ts'

/**
 * Checks a snapshot of the database at DATABASE_URL, or of the embedded database if DATABASE_URL isn't set. Lists the
 * rows that violate an invariant, up to 20 for each invariant. Exits with 1 if there are any, and with 2 if the check
 * itself fails.
 */
async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  // `config` reads the settings only once, so .env must be loaded first.
  const { config } = await import('../../shared/config.ts')
  const { databaseUrl, leaseSeconds } = config()
  const embedded = databaseUrl ? undefined : await openEmbedded()
  // Not a connection from the pool: reading millions of rows may take minutes, and needs query plans that the pool's
  // settings disable.
  const sql = postgres(databaseUrl ?? embedded?.url ?? '', {
    max: 1,
    connect_timeout: 10,
    connection: { application_name: 'task-scheduler doctor', TimeZone: 'UTC' },
  })
  try {
    const { violations, counts } = await sql.begin(
      'isolation level repeatable read read only',
      async (tx) => {
        await tx`set local statement_timeout = 0`
        return await examine(tx, leaseSeconds)
      },
    )
    for (const { invariant, row } of violations) say(`broken: ${invariant}: ${JSON.stringify(row)}`)
    for (const [invariant, count] of Object.entries(counts)) say(`${count} × broken: ${invariant}`)
    if (violations.length === 0) say('healthy: no invariant is broken')
    else process.exitCode = 1
  } finally {
    await sql.end({ timeout: 5 })
    await embedded?.stop()
  }
}

async function openEmbedded(): Promise<LocalPostgres> {
  if (existsSync(DATA_FOLDER)) return await startPostgres(DATA_FOLDER)
  throw new Error(
    'DATABASE_URL is not set, and there is no embedded PostgreSQL: run `npm start` once, or set it',
  )
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
})
