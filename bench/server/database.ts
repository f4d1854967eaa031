import { setTimeout as wait } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'

/** A database for one system in one repetition. */
export type Database = { name: string; url: string; drop(): Promise<void> }

let made = 0

/** Creates an empty database on the server at `url`. */
export async function createDatabase(url: string, system: string): Promise<Database> {
  made += 1
  const name = `bench_${system.replaceAll('-', '_')}_${process.pid}_${made}`
  await asAdmin(url, async (admin) => {
    // Flushes writes left over from earlier trials. Pages created after a checkpoint don't need full-page images, which
    // would otherwise make up most of the WAL of a short benchmark row. Only a superuser or a member of pg_checkpoint
    // may run a checkpoint. For other roles it fails, and the results are noisier.
    await admin`checkpoint`.catch(() => {})
    await admin`create database ${admin(name)}`
  })
  return {
    name,
    url: Object.assign(new URL(url), { pathname: `/${name}` }).href,
    async drop() {
      await asAdmin(url, (admin) => admin`drop database if exists ${admin(name)} with (force)`)
    },
  }
}

/**
 * Makes the server count the statements of sessions that connect to this database from now on. Does nothing if the
 * server hasn't loaded pg_stat_statements, or the role isn't a superuser.
 */
export async function countStatements({ name, url }: Database): Promise<void> {
  await asAdmin(url, async (admin) => {
    await admin`create extension pg_stat_statements`
    await admin`alter database ${admin(name)} set pg_stat_statements.track = top`
  }).catch(() => {})
}

/** Runs `work` on its own connection. */
export async function asAdmin<T>(url: string, work: (admin: Sql) => Promise<T>): Promise<T> {
  const admin = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    return await work(admin)
  } finally {
    await admin.end({ timeout: 5 })
  }
}

/**
 * Waits until no other client is connected to `database`, but no longer than about 2 s. A session reports its
 * statistics when it ends, slightly after its client has disconnected.
 */
export async function whenAlone(admin: Sql, database: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const [row] = await admin<[{ others: number }]>`
      select count(*)::int as others
      from pg_stat_activity
      where datname = ${database} and pid <> pg_backend_pid() and backend_type = 'client backend'`
    if (row.others === 0) return
    await wait(20)
  }
}

/**
 * Gives the planner the statistics that a server would have after running for a while. Empty tables are skipped:
 * if analyzed, they would count as having zero pages, and the planner could choose a bad plan until the next analyze.
 */
export async function settleDown(url: string): Promise<void> {
  await asAdmin(url, async (admin) => {
    const tables = await admin<{ name: string }[]>`
      select oid::regclass::text as name
      from pg_class
      where relkind = 'r' and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        and pg_relation_size(oid) > 0`
    for (const { name } of tables) await admin.unsafe(`vacuum analyze ${name}`)
  })
}
