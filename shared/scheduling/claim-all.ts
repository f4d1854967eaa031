import type { Database } from '../db.ts'
import { type ClaimOptions, claimQueued, type Taken } from './claim.ts'
import { claimDue, type Position } from './claim-due.ts'
import { type Clock, readClock } from './clock.ts'
import { handOver, type Invoke } from './invoke.ts'

/** Executions that one claim takes at most: larger sets gain nothing, and hold their locks longer. */
const BATCH = 2000

/** Claims at once, each on a connection of its own: while one is planned and written here, the next is being locked there. */
const LANES = 3

/** A tick with much to do reads the clock again after so many milliseconds: more has come due. */
const CLOCK_MS = 250

type Options = {
  leaseSeconds: number
  /** What falls due within so many milliseconds is claimed too. Default 0. */
  aheadMs?: number
  clock: Clock
  /** The clock stands still: for tests that go through days. */
  isFixed: boolean
}

/** What a look has found. */
type Wanted = {
  /** Something is due already. */
  overdue: boolean
  /** Something is due, or soon will be. */
  ahead: boolean
  /** Something may be queued that nobody holds; that is asked for first. */
  queued: boolean
}

type Claims = {
  sql: Database
  invoke: Invoke
  options: Options
  claimed: number
  claimIds: string[]
  /** Executions that claims under way may take. */
  asked: number
}

/** In batches until nothing is left or the workers are full: what is due and starts with its claim, then what will be. Hands the claims over. */
export async function claimAll(
  sql: Database,
  invoke: Invoke,
  options: Options,
  { overdue, ahead, queued }: Wanted,
): Promise<{ claimed: number; claimIds: string[] }> {
  const claims: Claims = { sql, invoke, options: { ...options }, claimed: 0, claimIds: [], asked: 0 }
  for (const startsDue of [true, false]) {
    if (!overdue && (startsDue || !ahead)) continue
    if (queued) await takeQueued(claims, startsDue)
    await takeDue(claims, startsDue)
  }
  return { claimed: claims.claimed, claimIds: claims.claimIds }
}

async function takeQueued(claims: Claims, startsDue: boolean): Promise<void> {
  for (let more = true; more; ) {
    const limit = await roomFor(claims, startsDue)
    if (limit <= 0) return
    const options = await claimOptions(claims, limit, startsDue)
    more = await keepRoom(claims, options, claimQueued(claims.sql, options))
  }
}

/** What a pass took may be due again when it is through: another follows one that came far. */
async function takeDue(claims: Claims, startsDue: boolean): Promise<void> {
  while (await passOverDue(claims, startsDue)) {}
}

/** Batch after batch, soonest first, each from where the one before has ended. Gives whether another pass may find more. */
async function passOverDue(claims: Claims, startsDue: boolean): Promise<boolean> {
  const lanes = new Set<Promise<unknown>>()
  let after: Position | undefined
  let left = false
  try {
    for (;;) {
      const limit = await waitForRoom(claims, startsDue, lanes)
      if (limit <= 0) return false
      const options = await claimOptions(claims, limit, startsDue)
      const claim = claimDue(claims.sql, { ...options, ...(after && { after }) })
      const lane = keepRoom(claims, options, claim.taken).then((more) => {
        left ||= more
        lanes.delete(lane)
      })
      // Awaited below, but it may fail before.
      lane.catch(() => {})
      lanes.add(lane)
      const { count, last } = await claim.locked
      if (count < limit) break
      after = last
    }
    await Promise.all(lanes)
    return after !== undefined || left
  } finally {
    // One that failed is in there still: the next await above has met it, or this leaves it to the one that failed first.
    await Promise.allSettled(lanes)
  }
}

/** How many executions the next claim may take, once there is a lane for it; none only when none is under way that could make room. */
async function waitForRoom(
  claims: Claims,
  startsDue: boolean,
  lanes: Set<Promise<unknown>>,
): Promise<number> {
  for (;;) {
    const limit = lanes.size < LANES ? await roomFor(claims, startsDue) : 0
    if (limit > 0 || lanes.size === 0) return limit
    await Promise.race(lanes)
  }
}

async function roomFor({ invoke, asked }: Claims, startsDue: boolean): Promise<number> {
  const { now, ahead } = await invoke.capacity()
  return Math.min(BATCH, startsDue ? now : BATCH, ahead - asked)
}

async function claimOptions(claims: Claims, limit: number, startsDue: boolean): Promise<ClaimOptions> {
  const { sql, invoke, options } = claims
  if (!options.isFixed && performance.now() - options.clock.readAt > CLOCK_MS)
    options.clock = await readClock(sql)
  const { clock, leaseSeconds, aheadMs = 0 } = options
  const claimSize = invoke.claimSize && { claimSize: invoke.claimSize }
  return { limit, startsDue, clock, leaseSeconds, aheadMs: startsDue ? 0 : aheadMs, ...claimSize }
}

/** Hands over what is taken. Until then its room is kept: what starts with its claim has its places. Gives whether more is left. */
async function keepRoom(
  claims: Claims,
  { limit, startsDue }: ClaimOptions,
  taking: Promise<Taken>,
): Promise<boolean> {
  const { sql, invoke } = claims
  claims.asked += limit
  if (startsDue) invoke.reserve?.(limit)
  try {
    const taken = await taking
    claims.claimed += taken.claims.reduce((all, { executions }) => all + executions.length, 0)
    claims.claimIds.push(...taken.claims.map(({ id }) => id))
    await handOver(sql, invoke, taken.claims)
    return taken.more
  } finally {
    claims.asked -= limit
    if (startsDue) invoke.reserve?.(-limit)
  }
}
