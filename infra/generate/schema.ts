import { listMigrations } from '../migrations/migrate.ts'

/** Returns the contents of shared/schema.json: the migrations that this code requires, with their checksums. */
export async function schemaFile(): Promise<string> {
  return `${JSON.stringify({ migrations: await listMigrations() }, null, 2)}\n`
}
