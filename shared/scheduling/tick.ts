import type { Database } from '../db.ts'
import { logger } from '../logger.ts'
import { claimAll } from './claim-all.ts'
import { type Clock, clockAt, hearClock, readClock } from './clock.ts'
import type { Invoke } from './invoke.ts'
import { resumeDue } from './pause.ts'
import { type Recovered, recover } from './recover.ts'
import { releaseQueuedRuns } from './run-now.ts'
import { sweep } from './sweep.ts'
import { freeAllUnreceived } from './unreceived.ts'

/** Milliseconds until a sweep that failed is tried again. */
const SWEEP_RETRY_MS = 1000

export type Ticked = Recovered & { claimed: number; claimIds: string[] }

export type TickOptions = {
  leaseSeconds: number
  /** What falls due within so many milliseconds is claimed too. Default 0. */
  aheadMs?: number
  /** Decides what is due, instead of the database's clock: for tests that go through days. */
  now?: Date
}

/**
 * One tick: gives back what silent workers held, then claims what is due or soon will be, in batches, until nothing is left or the
 * workers are full. It hands the claims over and doesn't wait for them. Safe to run anywhere, at any rate, any number at once.
 */
export async function tick(sql: Database, invoke: Invoke, options: TickOptions): Promise<Ticked> {
  await attempt('free unreceived claims', () => freeAllUnreceived(sql, options.leaseSeconds))
  await attempt('sweep', () => sweepWhenDue(sql, options))
  const found = await look(sql, options)
  const repaired = await repair(sql, found)
  const freed = found.expired || found.resumable || found.asked
  // What was freed just now is due after the clock was read.
  const clock = freed && !options.now ? await readClock(sql) : found.clock
  const wanted = {
    ...found,
    overdue: found.overdue || freed,
    queued: found.queued || freed,
    due: found.due || freed,
  }
  const claimed = await claimAll(
    sql,
    invoke,
    { ...options, clock, isFixed: options.now !== undefined },
    wanted,
  )
  const ticked = { ...repaired, ...claimed }
  const { claimIds, ...counts } = ticked
  if (Object.values(counts).some((count) => count > 0)) logger.info('tick', counts)
  return ticked
}

async function repair(sql: Database, { expired, resumable, asked }: Found): Promise<Recovered> {
  const recovered = expired ? await attempt('recover', () => recover(sql)) : undefined
  if (resumable) await attempt('resume', () => resumeDue(sql))
  if (asked) await attempt('release queued runs', () => releaseQueuedRuns(sql))
  return recovered ?? { lost: 0, freed: 0, paused: 0 }
}

/** When this process asks for a sweep again, on its monotonic clock; whether one is due the database knows. */
let sweepAt = 0

async function sweepWhenDue(sql: Database, { leaseSeconds }: TickOptions): Promise<void> {
  if (performance.now() < sweepAt) return
  sweepAt = performance.now() + SWEEP_RETRY_MS
  sweepAt = performance.now() + (await sweep(sql, { leaseSeconds }))
}

/** What fails here must not keep due tasks from being claimed: the next tick tries it again. */
async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    logger.error(`${what} failed`, { error: error as Error })
    return undefined
  }
}

type Found = {
  expired: boolean
  resumable: boolean
  asked: boolean
  /** Something is queued and nobody holds it, due or soon. */
  queued: boolean
  /** Something is due already. */
  overdue: boolean
  /** Something is due, or soon will be. */
  ahead: boolean
  /** The next occurrence of a task is due, or soon will be. */
  due: boolean
  clock: Clock
}

/**
 * Whether there is anything to do, in one statement that reads the first entry of five indexes: that is all that most ticks take. What is
 * due is compared here, since a plan that doesn't know the instant might read a whole table for it.
 */
async function look(sql: Database, { aheadMs = 0, now }: TickOptions): Promise<Found> {
  const askedAt = performance.now()
  const [first] = await sql<
    [Record<'lease' | 'pause' | 'asked' | 'queued' | 'due', Date | null> & { ms: number }]
  >`
    select
      (select min(lease_expires_at) from claims) as lease,
      (select min(paused_until) from task_state) as pause,
      (select min(run_queued_at) from task_state) as asked,
      (
        select min(unheld_due_at) from task_state
        where unheld_due_at is not null and (paused_at is null or trigger <> 'schedule')
      ) as queued,
      (select min(next_run_at) from task_state where paused_at is null and next_run_at is not null) as due,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`
  const clock = now ? clockAt(now) : hearClock(first.ms, askedAt)
  const isBy = (instant: Date | null, ms: number): boolean => instant !== null && instant.getTime() <= ms
  const soon = clock.now.getTime() + aheadMs
  const queued = isBy(first.queued, soon)
  const due = isBy(first.due, soon)
  return {
    expired: isBy(first.lease, first.ms),
    resumable: isBy(first.pause, first.ms),
    asked: first.asked !== null,
    queued,
    overdue: isBy(first.queued, clock.now.getTime()) || isBy(first.due, clock.now.getTime()),
    ahead: queued || due,
    due,
    clock,
  }
}
