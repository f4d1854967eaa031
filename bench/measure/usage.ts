import type { Sql } from 'postgres'
import { machineCpuUs, postmasterOf, serverCpuUs } from './proc.ts'

/** The resources used up to a point in time. */
export type Usage = {
  atMs: number
  walBytes: number
  serverCpuUs: number | null
  machine: { used: number; all: number } | null
  ownCpuUs: number
}

/** Returns the wall-clock time in milliseconds, with fractions. */
export const nowMs = (): number => performance.timeOrigin + performance.now()

/** Reads the usage so far. `sql` must be connected to the measured server. */
export async function readUsage(sql: Sql): Promise<Usage> {
  const own = process.cpuUsage()
  const atMs = nowMs()
  const [row] = await sql<[{ pid: number; wal: string }]>`
    select pg_backend_pid() as pid, (pg_current_wal_lsn() - '0/0')::text as wal`
  return {
    atMs,
    walBytes: Number(row.wal),
    serverCpuUs: serverCpuUs(postmasterOf(row.pid)),
    machine: machineCpuUs(),
    ownCpuUs: own.user + own.system,
  }
}

/**
 * Returns the costs per run between two readings. `clientCpuUs` is the workers' CPU time over the same period.
 * Values that can't be measured on this machine are left out.
 */
export function costs(from: Usage, to: Usage, runs: number, clientCpuUs: number): Record<string, number> {
  const server =
    to.serverCpuUs === null || from.serverCpuUs === null ? null : to.serverCpuUs - from.serverCpuUs
  const values: Record<string, number> = {
    client_us: clientCpuUs / runs,
    wal_bytes: (to.walBytes - from.walBytes) / runs,
  }
  if (server === null) return values
  values.server_us = server / runs
  values.cpu_us = (server + clientCpuUs) / runs
  if (to.machine === null || from.machine === null) return values
  const ours = server + clientCpuUs + (to.ownCpuUs - from.ownCpuUs)
  const foreign = (to.machine.used - from.machine.used - ours) / (to.machine.all - from.machine.all)
  values.foreign_share = Math.max(0, foreign)
  return values
}

/** Returns how many statements have run in this database since `countStatements`, or null if they aren't counted. */
export async function readStatements(sql: Sql): Promise<number | null> {
  const [row] = await sql<[{ statements: number }]>`
    select coalesce(sum(calls), 0)::float8 as statements
    from pg_stat_statements(false) s
    join pg_database d on d.oid = s.dbid
    where d.datname = current_database()`.catch(() => [{ statements: null }])
  return row.statements
}

/** Returns the number of commits in a database. Sessions that are still open report theirs only once a second. */
export async function readCommits(admin: Sql, database: string): Promise<number> {
  const [row] = await admin<[{ commits: string }?]>`
    select xact_commit::text as commits from pg_stat_database where datname = ${database}`
  return Number(row?.commits ?? 0)
}
