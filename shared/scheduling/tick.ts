import type { Database } from '../db.ts'
import { logger } from '../logger.ts'
import { type ClaimOptions, claim } from './claim.ts'
import { type Clock, readClock, toClock } from './clock.ts'
import { handOver, type Invoke } from './invoke.ts'
import { resumeDue } from './pause.ts'
import { type Recovered, recover } from './recover.ts'
import { releaseQueuedRuns } from './run-now.ts'

/** Executions that one claim takes at most: larger sets gain nothing, and hold their locks longer. */
const BATCH = 500

/** A tick with much to do reads the clock again after so many milliseconds: more has come due. */
const CLOCK_MS = 250

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
export async function tick(
  sql: Database,
  invoke: Invoke,
  { leaseSeconds, aheadMs = 0, now }: TickOptions,
): Promise<Ticked> {
  const found = await look(sql, aheadMs, now)
  const recovered = found.expired ? await recover(sql) : { lost: 0, freed: 0, paused: 0 }
  if (found.resumable) await resumeDue(sql)
  if (found.asked) await releaseQueuedRuns(sql)
  const ticked: Ticked = { ...recovered, claimed: 0, claimIds: [] }
  const freed = found.expired || found.resumable || found.asked
  const { claimSize } = invoke
  // What was freed just now is due after the clock was read.
  let clock = freed ? await readAgain(found.clock) : found.clock
  while (found.due || freed) {
    const options = { leaseSeconds, clock, ...(claimSize && { claimSize }) }
    const { now: room, ahead } = await invoke.capacity()
    const first = await take({ ...options, limit: Math.min(BATCH, room), startsDue: true })
    const then = first.more ? first : await take({ ...options, limit: Math.min(BATCH, ahead), aheadMs })
    if (!then.more) break
    if (performance.now() - clock.readAt > CLOCK_MS) clock = await readAgain(clock)
  }
  const { claimIds, ...counts } = ticked
  if (Object.values(counts).some((count) => count > 0)) logger.info('tick', counts)
  return ticked

  async function readAgain(before: Clock): Promise<Clock> {
    return now ? before : await readClock(sql)
  }

  /** Claims and hands over. Without room there is nothing to look for. */
  async function take(wanted: ClaimOptions): Promise<{ more: boolean }> {
    if (wanted.limit <= 0) return { more: false }
    const { claims, more } = await claim(sql, wanted)
    for (const it of claims) {
      ticked.claimed += it.executions.length
      ticked.claimIds.push(it.id)
    }
    await handOver(sql, invoke, claims)
    return { more }
  }
}

type Found = { expired: boolean; resumable: boolean; asked: boolean; due: boolean; clock: Clock }

/** Whether there is anything to do, in one statement: that is all that most ticks take. */
async function look(sql: Database, aheadMs: number, at: Date | undefined): Promise<Found> {
  const now = at ? sql`${at}::timestamptz` : sql`now()`
  const horizon = sql`${now} + make_interval(secs => ${aheadMs / 1000})`
  const [{ ms, ...found }] = await sql<[Omit<Found, 'clock'> & { ms: number }]>`
    select
      (extract(epoch from ${at ? now : sql`clock_timestamp()`}) * 1000)::float8 as ms,
      exists (select from claims where lease_expires_at <= now()) as expired,
      exists (select from task_state where paused_until <= now()) as resumable,
      exists (select from task_state where run_queued_at is not null) as asked,
      exists (select from task_state where unheld_due_at <= ${horizon})
        or exists (select from task_state where next_run_at <= ${horizon} and paused_at is null) as due`
  return { ...found, clock: toClock(ms) }
}
