import type { Sql } from 'postgres'
import { ALWAYS_DUE_SINCE_MS, countRuns } from './ours-store.ts'

export type SystemEntry = {
  name: string
  /** Its module; a worker imports it. */
  module: string
  best: boolean
  /** Returns how many of the seeded one-time jobs are done, by its tables. */
  done(sql: Sql, seeded: number): Promise<number>
  /** Returns the same where runs repeat. Null if its tables don't keep them; then the handlers' own count is used. */
  runs: ((sql: Sql) => Promise<number>) | null
  /** How far back a job that recurs each second must begin to be due at any time. */
  alwaysDueSinceMs: number
  /** Its settings and the reasons, for the report. */
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

/** It deletes a job that is done. Jobs that are due in another year don't count as left. */
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
      'TICK_INTERVAL_MS=250, CLAIM_AHEAD_MS=6000, MAX_CONCURRENT_EXECUTIONS and MAX_CLAIMED_EXECUTIONS=60000: the same for every row; claims begin long enough before a burst, and there is room for it',
  },
  { ...ours, name: 'ours-default', best: false, settings: 'nothing set but LOG_LEVEL=WARN' },
  {
    ...pgBoss,
    name: 'pg-boss-best',
    best: true,
    settings:
      'throughput: batchSize 2000, localConcurrency 2, burstWhenBatchFull, pollingIntervalSeconds 0.5 (its minimum); timeliness: batchSize 100, localConcurrency 4; the best of a sweep of ten. Recurring: the handler inserts its whole batch again in one statement',
  },
  { ...pgBoss, name: 'pg-boss-default', best: false, settings: 'nothing set: one job a poll of 2 s' },
  {
    ...graphile,
    name: 'graphile-best',
    best: true,
    settings:
      'throughput: concurrentJobs 50, localQueue.size 1000, completeJobBatchDelay 10, failJobBatchDelay 10, pollInterval 100; timeliness: concurrentJobs 10, pollInterval 100; the best of a sweep of ten. Recurring: helpers.addJob in the handler',
  },
  {
    ...graphile,
    name: 'graphile-default',
    best: false,
    settings: 'nothing set: one job at a time, a poll of 2 s',
  },
  {
    ...agenda,
    name: 'agenda-best',
    best: true,
    settings:
      'processEvery 100, concurrency 500, lockLimit 1000; the best of a sweep of ten. Recurring: repeatInterval, as every() writes it',
  },
  {
    ...agenda,
    name: 'agenda-default',
    best: false,
    settings: 'nothing set: a poll of 5 s, with LISTEN/NOTIFY',
  },
  {
    ...floor,
    name: 'floor',
    best: true,
    settings:
      'pgbench, 2 clients, prepared: the least SQL that claims 500 durably, and settles them with a ledger row each; no JavaScript, no retries, no timeouts, no validation',
  },
  {
    ...floor,
    module: module('./floor-open-index.ts'),
    name: 'floor-open-index',
    best: true,
    settings:
      'the same, in the layout that docs/adr/0014 turned down: a row of the ledger from the claim on, and a partial unique index on open ones',
  },
  {
    ...ours,
    module: module('./express.ts'),
    name: 'express',
    best: true,
    settings: 'the same pool of connections, the same queries',
  },
]

export const isPeer = ({ module }: SystemEntry): boolean => module.includes('/peers/')
