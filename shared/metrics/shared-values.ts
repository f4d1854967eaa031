import type { Database } from '../db.ts'
import { logger } from '../logger.ts'
import { UNSEEN_SECONDS } from '../workers/presence.ts'
import { by, type Family, plain } from './family.ts'

/** Milliseconds for which values are kept, so that many scrapes cost the database no more than one. */
const KEPT_MS = 5000

/** Due tasks and executions are counted up to this number, since a backlog may be of any size. */
const COUNTED = 10_000

/** The pools in shared/db.ts. Another name would be an unbounded label. */
const POOLS = ['requests', 'scheduler', 'small', 'heartbeat', 'probe', 'long']

type Values = {
  due: number
  queued: number
  due_age: number
  queued_age: number
  claims: number
  workers: number
  connections: { pool: string; state: string; count: number }[]
}

/** Values that belong to the whole database. Every process reports the same ones, so they must not be added up. */
export class SharedValues {
  readonly #sql: () => Database
  #values: Promise<Values | null> | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(sql: () => Database) {
    this.#sql = sql
  }

  /** Returns the values' metrics. They are at most 5 seconds old. If the database can't be read, only that is said. */
  async families(): Promise<Family[]> {
    if (!this.#values || performance.now() - this.#readAt >= KEPT_MS) {
      this.#readAt = performance.now()
      this.#values = this.#read()
    }
    return toFamilies(await this.#values)
  }

  async #read(): Promise<Values | null> {
    try {
      return await readValues(this.#sql())
    } catch (error) {
      logger.warn('could not read the metrics of the database', { error: error as Error })
      return null
    }
  }
}

async function readValues(sql: Database): Promise<Values> {
  const [values] = await sql<[Values]>`
    select
      (
        select count(*)::int from (
          select from task_state
          where next_run_at <= now() and next_run_at is not null and paused_at is null
          limit ${COUNTED}
        ) due
      ) as due,
      (
        select count(*)::int from (
          select from task_state
          where unheld_due_at <= now() and unheld_due_at is not null and (paused_at is null or trigger <> 'schedule')
          limit ${COUNTED}
        ) queued
      ) as queued,
      (
        select greatest(0, extract(epoch from now() - min(next_run_at)))::float8 from task_state
        where paused_at is null and next_run_at is not null
      ) as due_age,
      (
        select greatest(0, extract(epoch from now() - min(unheld_due_at)))::float8 from task_state
        where unheld_due_at is not null and (paused_at is null or trigger <> 'schedule')
      ) as queued_age,
      (select count(*)::int from claims) as claims,
      (
        select count(*)::int from workers where last_seen_at > now() - make_interval(secs => ${UNSEEN_SECONDS})
      ) as workers,
      (
        select coalesce(json_agg(c), '[]')
        from (
          select substr(application_name, 16) as pool, coalesce(state, 'unknown') as state, count(*)
          from pg_stat_activity
          where datname = current_database() and application_name like 'task-scheduler %'
          group by 1, 2
        ) c
      ) as connections`
  return values
}

/** Added to the help of every metric here. */
const WHOLE =
  'The same in every process, since it is of the whole database: take the maximum, not the sum. Read at most once in 5 s.'

function toFamilies(values: Values | null): Family[] {
  const up = plain(
    'gauge',
    'database_up',
    'Whether this process could read the values of the database.',
    values ? 1 : 0,
  )
  if (!values) return [up]
  return [
    up,
    plain(
      'gauge',
      'due_executions',
      `Executions that are due and that no worker has claimed, up to ${COUNTED}: occurrences of schedules, and queued executions such as retries and runs by hand. ${WHOLE}`,
      by('kind', [
        ['scheduled', values.due],
        ['queued', values.queued],
      ]),
    ),
    plain(
      'gauge',
      'oldest_due_age_seconds',
      `For how long the oldest of these has been due. 0 if nothing is. ${WHOLE}`,
      by('kind', [
        ['scheduled', values.due_age ?? 0],
        ['queued', values.queued_age ?? 0],
      ]),
    ),
    plain('gauge', 'open_claims', `Claims that workers hold. ${WHOLE}`, values.claims),
    plain(
      'gauge',
      'workers',
      `Workers that have been seen in the last ${UNSEEN_SECONDS} seconds. ${WHOLE}`,
      values.workers,
    ),
    plain(
      'gauge',
      'database_connections',
      `Connections to the database, by the pool that opened them and by their state. ${WHOLE}`,
      countConnections(values.connections),
    ),
  ]
}

function countConnections(connections: Values['connections']): [Record<string, string>, number][] {
  const counts = new Map<string, number>()
  for (const { pool, state, count } of connections) {
    const key = JSON.stringify({ pool: POOLS.includes(pool) ? pool : 'other', state })
    counts.set(key, (counts.get(key) ?? 0) + count)
  }
  return [...counts].map(([key, count]) => [JSON.parse(key), count])
}
