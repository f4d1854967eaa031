import { listMigrations } from '../migrations/migrate.ts'

/** Returns shared/schema.json: the migrations that this code needs of its database, with their checksums. */
export async function schemaFile(): Promise<string> {
  return `${JSON.stringify({ migrations: await listMigrations() }, null, 2)}\n`
}
