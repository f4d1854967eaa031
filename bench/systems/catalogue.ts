import type { Sql } from 'postgres'
import { ALWAYS_DUE_SINCE_MS, countRuns } from './ours-store.ts'

export type SystemEntry = {
  name: string
  /** URL of the module that a worker imports. */
  module: string
  best: boolean
  /** Returns how many of the seeded one-time jobs are done, according to the system's tables. */
  done(sql: Sql, seeded: number): Promise<number>
  /** Returns the number of runs of recurring jobs. Null if the tables don't keep runs; the handlers then count them. */
  runs: ((sql: Sql) => Promise<number>) | null
  /** How far in the past recurring jobs are first due, in milliseconds, so that they are always due. */
  alwaysDueSinceMs: number
  /** A description of the settings, for the report. */
  settings: string
}

const module = (path: string): string => new URL(path, import.meta.url).href

type Kind = Pick<SystemEntry, 'module' | 'done' | 'runs' | 'alwaysDueSinceMs'>

const DAY_MS = 86_400_000

const count = async (query: PromiseLike<readonly { count: number }[]>): Promise<number> =>
  (await query)[0]?.count ?? 0

const ours: Kind = {
  module: module('./ours.ts'),
  done: countRuns,
  runs: countRuns,
  alwaysDueSinceMs: ALWAYS_DUE_SINCE_MS,
}

const pgBossRuns = (sql: Sql) =>
  count(sql`select count(*)::int from pgboss.job where name = 'bench' and state = 'completed'`)
const pgBoss: Kind = {
  module: module('../peers/pg-boss.ts'),
  done: pgBossRuns,
  runs: pgBossRuns,
  alwaysDueSinceMs: DAY_MS,
}

/** graphile-worker deletes finished jobs, so `done` counts the remaining jobs. Jobs due in a year don't count. */
const graphile: Kind = {
  module: module('../peers/graphile-worker.ts'),
  done: async (sql, seeded) =>
    seeded -
    (await count(sql`
      select count(*)::int
      from graphile_worker._private_jobs
      where run_at < now() + interval '1 day'`)),
  runs: null,
  alwaysDueSinceMs: DAY_MS,
}

const agenda: Kind = {
  module: module('../peers/agenda.ts'),
  done: (sql) => count(sql`select count(*)::int from agenda_jobs where last_finished_at is not null`),
  runs: null,
  alwaysDueSinceMs: DAY_MS,
}

const floorRuns = (sql: Sql) => count(sql`select count(*)::int from executions where status = 'success'`)
const floor: Kind = {
  module: module('./floor.ts'),
  done: floorRuns,
  runs: floorRuns,
  alwaysDueSinceMs: DAY_MS,
}

export const systems: SystemEntry[] = [
  {
    ...ours,
    name: 'ours',
    best: true,
    settings:
      'CLAIM_AHEAD_MS=6000, MAX_CONCURRENT_EXECUTIONS and MAX_CLAIMED_EXECUTIONS=60000: claims start well before a burst, and there are enough slots for it; for throughput also TICK_INTERVAL_MS=250',
  },
  { ...ours, name: 'ours-default', best: false, settings: 'the defaults, except LOG_LEVEL=WARN' },
  {
    ...pgBoss,
    name: 'pg-boss-best',
    best: true,
    settings:
      'for throughput: batchSize 2000, localConcurrency 2, burstWhenBatchFull, pollingIntervalSeconds 0.5 (its minimum); for timeliness: batchSize 100, localConcurrency 4; the best of ten combinations. When jobs recur, the handler reinserts its whole batch in one statement',
  },
  {
    ...pgBoss,
    name: 'pg-boss-default',
    best: false,
    settings: 'the defaults: one job per poll, polling every 2 s',
  },
  {
    ...graphile,
    name: 'graphile-best',
    best: true,
    settings:
      'for throughput: concurrentJobs 50, localQueue.size 1000, completeJobBatchDelay 10, failJobBatchDelay 10, pollInterval 100; for timeliness: concurrentJobs 10, pollInterval 100; the best of ten combinations. When jobs recur, the handler calls helpers.addJob',
  },
  {
    ...graphile,
    name: 'graphile-default',
    best: false,
    settings: 'the defaults: one job at a time, polling every 2 s',
  },
  {
    ...agenda,
    name: 'agenda-best',
    best: true,
    settings:
      'processEvery 100, concurrency 500, lockLimit 1000; the best of ten combinations. When jobs recur, repeatInterval is set the way every() sets it',
  },
  {
    ...agenda,
    name: 'agenda-default',
    best: false,
    settings: 'the defaults: polling every 5 s, plus LISTEN/NOTIFY',
  },
  {
    ...floor,
    name: 'floor',
    best: true,
    settings:
      'pgbench, 2 clients, prepared statements: the minimum SQL that durably claims batches of 500 and settles them with one ledger row per execution; no JavaScript, retries, timeouts or validation',
  },
  {
    ...floor,
    module: module('./floor-open-index.ts'),
    name: 'floor-open-index',
    best: true,
    settings:
      'the same, with the layout that docs/adr/0014 rejected: each execution is a ledger row inserted at claim time, with a partial unique index on open rows',
  },
  {
    ...ours,
    module: module('./express.ts'),
    name: 'express',
    best: true,
    settings: 'the same connection pool settings and queries as `ours`',
  },
]

export const isPeer = ({ module }: SystemEntry): boolean => module.includes('/peers/')
