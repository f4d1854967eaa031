import { existsSync } from 'node:fs'

/** Waits for the database at DATABASE_URL, migrates it, and exits. Run it before a rollout. */
async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  // Imported after .env has been loaded, since these modules read the settings, including DATABASE_URL.
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
