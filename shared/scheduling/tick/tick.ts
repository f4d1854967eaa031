import { BatchSize } from '../../batch-size.ts'
import { type Clock, clockAt, type DatabaseClock } from '../../clock.ts'
import type { Database } from '../../db.ts'
import { logger } from '../../logger.ts'
import { Pace, rollUp } from '../../stats/roll-up.ts'
import { claimAll, type Findings } from '../claim/claim-all.ts'
import { ClaimMemory } from '../claim/claim-memory.ts'
import type { Dispatcher } from '../claim/dispatch.ts'
import { openQueuedRuns } from '../control/open-queued-runs.ts'
import { resumeDue } from '../control/pause.ts'
import { RECOVERED_AT_ONCE, type Recovered, recover } from '../repair/recover.ts'
import { sweep } from '../repair/sweep.ts'

/** Milliseconds to wait before retrying a failed sweep, and a failed step of the roll-ups. */
const SWEEP_RETRY_MS = 1000
const ROLL_UP_RETRY_MS = 10_000

export type Ticked = Recovered & { claimed: number; claimIds: string[] }

/** State that a process keeps between ticks. */
export class TickMemory extends ClaimMemory {
  readonly recoverBatch = new BatchSize(RECOVERED_AT_ONCE)
  /** When to attempt the next sweep, on the monotonic clock. The database decides whether a sweep is due. */
  sweepAt = 0
  /** When to attempt the next step of the roll-ups, likewise. Infinite while a step runs. */
  rollUpAt = 0
  /** Resolves once no step of the roll-ups runs anymore. Never rejects. */
  rolledUp: Promise<void> = Promise.resolve()
  readonly pace = new Pace()
}

export type TickOptions = {
  leaseSeconds: number
  /** Also claims tasks that become due within this many milliseconds. Default: 0. */
  aheadMs?: number
  /** The time to use instead of the database's clock to decide what is due. For tests that span days. */
  now?: Date
}

/**
 * Runs one tick: recovers what silent workers were holding, then claims what is due now or soon, in batches, until
 * nothing is left or the workers are full. Dispatches the claims, but doesn't wait for their runs, nor for the step of
 * the roll-ups that it may start: whoever stops the process waits for `memory.rolledUp`. Safe to run anywhere, as often
 * as you like, and concurrently. Returns what it did.
 */
export async function tick(
  sql: Database,
  dispatcher: Dispatcher,
  memory: TickMemory,
  options: TickOptions,
): Promise<Ticked> {
  const since = performance.now()
  let hasSucceeded = false
  try {
    const ticked = await tickOnce(sql, dispatcher, memory, options)
    hasSucceeded = true
    return ticked
  } finally {
    memory.counters.ticked(performance.now() - since, hasSucceeded)
  }
}

async function tickOnce(
  sql: Database,
  dispatcher: Dispatcher,
  memory: TickMemory,
  options: TickOptions,
): Promise<Ticked> {
  await attempt('free unreceived claims', () => memory.unreceived.freeAll(sql, options.leaseSeconds))
  await attempt('sweep', () => sweepWhenDue(sql, memory, options))
  startRollUp(sql, memory)
  return await repairAndClaim(sql, dispatcher, memory, options)
}

async function repairAndClaim(
  sql: Database,
  dispatcher: Dispatcher,
  memory: TickMemory,
  options: TickOptions,
): Promise<Ticked> {
  const found = await findWork(sql, memory.clock, options)
  const recovered = await repair(sql, memory, found)
  const mayHaveFreed = found.isLeaseOver || found.isPauseOver || found.hasQueuedRun
  // Executions that were just requeued or opened became due after the clock was read.
  const clock = mayHaveFreed && !options.now ? await memory.clock.read(sql) : found.clock
  const findings = {
    isDueNow: found.isDueNow || mayHaveFreed,
    isDueSoon: found.isDueSoon,
    hasQueued: found.hasQueued || mayHaveFreed,
    hasScheduled: found.hasScheduled || mayHaveFreed,
  }
  const claimed = await claimAll(
    sql,
    dispatcher,
    memory,
    { ...options, clock, isFixed: options.now !== undefined },
    findings,
  )
  const ticked = { ...recovered, ...claimed }
  const { claimIds, ...counts } = ticked
  if (Object.values(counts).some((count) => count > 0)) logger.info('tick', counts)
  return ticked
}

async function repair(
  sql: Database,
  { recoverBatch, counters }: TickMemory,
  { isLeaseOver, isPauseOver, hasQueuedRun }: Found,
): Promise<Recovered> {
  const recovered = isLeaseOver ? await attempt('recover', () => recover(sql, recoverBatch)) : undefined
  if (isPauseOver) await attempt('resume', () => resumeDue(sql))
  if (hasQueuedRun) await attempt('open queued runs', () => openQueuedRuns(sql))
  const all = recovered ?? { lost: 0, freed: 0, paused: 0 }
  counters.lost += all.lost
  counters.freed += all.freed
  counters.pausedTasks += all.paused
  return all
}

async function sweepWhenDue(sql: Database, memory: TickMemory, { leaseSeconds }: TickOptions): Promise<void> {
  if (performance.now() < memory.sweepAt) return
  memory.sweepAt = performance.now() + SWEEP_RETRY_MS
  const onRepaired = (count: number) => {
    memory.counters.repaired += count
  }
  memory.sweepAt = performance.now() + (await sweep(sql, { leaseSeconds, onRepaired }))
}

/** Starts a step of the roll-ups if one is due. It takes a connection of its own, so claims don't wait for it. */
function startRollUp(sql: Database, memory: TickMemory): void {
  if (performance.now() < memory.rollUpAt) return
  memory.rollUpAt = Number.POSITIVE_INFINITY
  memory.rolledUp = attempt('roll-up', () => rollUp(sql, memory.pace)).then((restMs) => {
    memory.rollUpAt = performance.now() + (restMs ?? ROLL_UP_RETRY_MS)
  })
}

/**
 * Runs `work`. If it fails, logs the error and returns, so that due tasks are still claimed. The next tick tries again.
 */
async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    logger.error(`${what} failed`, { error: error as Error })
    return undefined
  }
}

type Found = Findings & {
  /** Whether a claim's lease has expired. */
  isLeaseOver: boolean
  /** Whether a pause has ended. */
  isPauseOver: boolean
  /** Whether a run was requested while another was open. */
  hasQueuedRun: boolean
  clock: Clock
}

/**
 * Finds out what needs to be done, with one statement that reads the first entry of each of five indexes. Most ticks
 * cost no more than that. The times are compared in this process. If the statement compared them, a plan made without
 * knowing their values might read a whole table.
 */
async function findWork(
  sql: Database,
  databaseClock: DatabaseClock,
  { aheadMs = 0, now }: TickOptions,
): Promise<Found> {
  const askedAt = performance.now()
  const [first] = await sql<
    [Record<'lease' | 'pause' | 'queued_run' | 'queued' | 'scheduled', Date | null> & { ms: number }]
  >`
    select
      (select min(lease_expires_at) from claims) as lease,
      (select min(paused_until) from task_state) as pause,
      (select min(run_queued_at) from task_state) as queued_run,
      (
        select min(unheld_due_at) from task_state
        where unheld_due_at is not null and (paused_at is null or trigger <> 'schedule')
      ) as queued,
      (select min(next_run_at) from task_state where paused_at is null and next_run_at is not null) as scheduled,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`
  const clock = now ? clockAt(now) : databaseClock.add(first.ms, askedAt)
  const dueMs = clock.now.getTime()
  const isBy = (instant: Date | null, ms: number): boolean => instant !== null && instant.getTime() <= ms
  const hasQueued = isBy(first.queued, dueMs + aheadMs)
  const hasScheduled = isBy(first.scheduled, dueMs + aheadMs)
  return {
    isLeaseOver: isBy(first.lease, first.ms),
    isPauseOver: isBy(first.pause, first.ms),
    hasQueuedRun: first.queued_run !== null,
    isDueNow: isBy(first.queued, dueMs) || isBy(first.scheduled, dueMs),
    isDueSoon: hasQueued || hasScheduled,
    hasQueued,
    hasScheduled,
    clock,
  }
}
