import { existsSync } from 'node:fs'
import { readConfig } from '../../shared/config.ts'
import { DATA_FOLDER, type LocalPostgres, startPostgres } from '../postgres/postgres.ts'
import { listenForSignals } from '../signals.ts'
import { welcome } from '../welcome.ts'
import type { Running } from './serve.ts'

/**
 * The entry point of the container and of `npm start`. Reads the settings, starts the embedded PostgreSQL if
 * DATABASE_URL isn't set, serves, and stops on SIGINT or SIGTERM. A second signal ends the grace period.
 */
async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  // Makes Powertools separate concurrent invocations in one process.
  process.env.AWS_LAMBDA_MAX_CONCURRENCY ??= '2'
  const settings = readConfig(process.env)
  const signals = listenForSignals()
  let postgres: LocalPostgres | undefined
  let running: Running | undefined
  try {
    if (!settings.databaseUrl) {
      postgres = await startPostgres(DATA_FOLDER)
      process.env.DATABASE_URL = postgres.url
    }
    // Imported after DATABASE_URL has been set, since serve.ts reads the settings.
    const { serve } = await import('./serve.ts')
    // A signal also ends a startup that is still waiting, for example for the database.
    running = (await Promise.race([serve(), signals.first])) ?? undefined
    if (!running) return
    welcome(running.url, !running.isOpen, postgres)
    await signals.first
  } finally {
    await running?.stop(signals.second)
    await postgres?.stop()
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
