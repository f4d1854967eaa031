import { existsSync } from 'node:fs'

/** Migrates the database of DATABASE_URL once it answers, and exits: to be run before a rollout. */
async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  // Imported here, since they read the settings, and DATABASE_URL is one of them.
  const { closeDatabase, longDb } = await import('../../shared/db.ts')
  const { migrateWhenReady } = await import('./migrate.ts')
  try {
    await migrateWhenReady(longDb())
  } finally {
    await closeDatabase(5)
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
