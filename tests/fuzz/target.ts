import { randomBytes } from 'node:crypto'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { startReplica } from '../chaos/replica.ts'
import type { Runtime, StartRuntime } from '../conformance/runtime.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { Client } from './client.ts'
import { LogCheck } from './log-check.ts'

/** What a process holds: memory in MiB, open sockets, and connections to the database. */
export type Usage = { rss: number; sockets: number; connections: number }

type Database = Awaited<ReturnType<typeof createTestDatabase>>

export type Target = {
  client: Client
  sql: Database['sql']
  /** What no response, log line or row may contain. */
  secrets: readonly string[]
  /** Returns the log so far, checked. */
  log(): LogCheck
  stop(): Promise<void>
}

/**
 * Starts the container's process, and a client with `connections` connections. `usage` reads what the process holds
 * (Linux only).
 */
export async function startContainer(connections: number): Promise<Target & { usage(): Promise<Usage> }> {
  const { database, env, secrets } = await prepare()
  const log = new LogCheck(secrets)
  const replica = await startReplica(database.url, env, (line) => log.add(line))
  const client = new Client(replica.url, env.API_KEY, connections)
  return {
    client,
    sql: database.sql,
    secrets,
    log: () => log,
    usage: () => usageOf(replica.pid, database.sql),
    async stop() {
      client.close()
      await replica.kill()
      await database.drop()
    },
  }
}

/** Starts another runtime. */
export async function startOther(start: StartRuntime, connections: number): Promise<Target> {
  const { database, env, secrets } = await prepare()
  const runtime: Runtime = await start({ ...env, TICK_INTERVAL_MS: '1000', LOG_JSON: 'true' })
  const client = new Client(runtime.url, env.API_KEY, connections)
  return {
    client,
    sql: database.sql,
    secrets,
    log() {
      const log = new LogCheck(secrets)
      for (const line of runtime.log().split('\n')) log.add(line)
      return log
    },
    async stop() {
      client.close()
      await runtime.kill()
      await database.drop()
    },
  }
}

/** A password shorter than this isn't a secret: test containers use `test`. */
const SECRET_LENGTH = 12

async function prepare() {
  const database = await createTestDatabase()
  const { password } = new URL(database.url)
  const env = {
    API_KEY: `fuzz-${randomBytes(24).toString('hex')}`,
    DATABASE_URL: database.url,
    HOST: '127.0.0.1',
    PORT: '0',
    // Nobody listens on this port, so http tasks without a URL reach nothing on this machine.
    HTTP_TASK_URL: 'http://127.0.0.1:1/',
    SHUTDOWN_GRACE_SECONDS: '1',
  }
  const secrets = [env.API_KEY, password].filter((it) => it.length >= SECRET_LENGTH)
  return { database, env, secrets }
}

async function usageOf(pid: number, sql: Target['sql']): Promise<Usage> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const links = (await readdir(`/proc/${pid}/fd`)).map((fd) =>
    readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''),
  )
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
  return {
    rss: Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024),
    sockets: (await Promise.all(links)).filter((it) => it.startsWith('socket:')).length,
    connections: row.count,
  }
}

/** Deletes all tasks, as the API's user would. */
export async function deleteAll({ client }: Target): Promise<void> {
  let cursor = ''
  do {
    const target = `/tasks?all=true${cursor && `&cursor=${cursor}`}`
    const { answer } = await client.send({
      method: 'DELETE',
      target,
      headers: [['x-api-key', '~key~']],
      body: undefined,
    })
    cursor = (answer.json as { next: string | null }).next ?? ''
  } while (cursor)
}

/** Returns the names of the tables that have a row with one of the secrets. */
export async function tablesWith({ sql, secrets }: Target): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    select table_name as name
    from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`
  const found = tables.map(async ({ name }) => {
    const [row] = await sql`
      select from ${sql(name)} t
      where exists (select from unnest(${[...secrets]}::text[]) secret where strpos(t::text, secret) > 0)
      limit 1`
    return row ? [name] : []
  })
  return (await Promise.all(found)).flat()
}
