import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startPostgres } from '../../infra/postgres/postgres.ts'

export type Server = { url: string; kind: string; stop(): Promise<void> }

/** Large enough to cache the tables. The other settings, including durability, are PostgreSQL's defaults. */
const SHARED_BUFFERS = '1GB'

/** Returns the server for all measurements: DATABASE_URL, or an embedded server in a temporary folder. */
export async function findServer(): Promise<Server> {
  const given = process.env.DATABASE_URL
  if (given) return { url: given, kind: 'from DATABASE_URL', stop: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'task-scheduler-bench-'))
  const data = join(folder, 'postgres')
  const first = await startPostgres(data)
  try {
    await configure(first.url)
  } finally {
    await first.stop()
  }
  const server = await startPostgres(data)
  return {
    url: server.url,
    kind: `embedded, shared_buffers=${SHARED_BUFFERS}, fsync=on, synchronous_commit=on`,
    async stop() {
      await server.stop()
      await rm(server.home, { recursive: true, force: true })
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Statements are counted only for benchmark rows that ask for it; see `countStatements`. */
async function configure(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false })
  await sql`alter system set shared_buffers = ${sql.unsafe(`'${SHARED_BUFFERS}'`)}`
  await sql`alter system set shared_preload_libraries = pg_stat_statements`
  await sql`alter system set pg_stat_statements.track = none`
  await sql.end()
}
