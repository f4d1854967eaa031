import { type Database, wasTooSlow } from '../db.ts'
import { BatchSize } from './batch-size.ts'
import { type ClaimOptions, claimByHand, claimQueued, claimQueuedQuick, type Taken } from './claim.ts'
import { claimDue, type Locked, type Position, type Which } from './claim-due.ts'
import { type Clock, readClock } from './clock.ts'
import { handOver, type Invoke } from './invoke.ts'

/** Executions that one claim takes at most: larger sets gain little, and hold their locks longer. */
const batch = new BatchSize(2000)

/** Claims at once, each on a connection of its own: while one is planned and written here, the next is being locked there. */
const LANES = 3

/** A tick with much to do reads the clock again after so many milliseconds: more has come due. */
const CLOCK_MS = 250

/** A tick claims for so many milliseconds at most: what is to be repaired or tried again must not wait for the end of a backlog. */
const ENOUGH_MS = 5000

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
  /** Something may be queued that nobody holds. */
  queued: boolean
  /** A task may be due whose next occurrence nobody has claimed, or soon will be. */
  due: boolean
}

type Claims = {
  sql: Database
  invoke: Invoke
  options: Options
  /** When it is enough for one tick, on this process' monotonic clock: repairs and retries wait for the next one. */
  until: number
  claimed: number
  claimIds: string[]
  /** Executions that claims under way take, or may take. */
  underWay: number
}

/** A claim under way: what it has locked, if that is told before what it took. */
type Claiming = { locked?: Promise<Locked>; taken: Promise<Taken> }

/** In batches until nothing is left or the workers are full: what is due and starts with its claim, then what will be. Hands the claims over. */
export async function claimAll(
  sql: Database,
  invoke: Invoke,
  options: Options,
  { overdue, ahead, queued, due }: Wanted,
): Promise<{ claimed: number; claimIds: string[] }> {
  const until = performance.now() + ENOUGH_MS
  const claims: Claims = {
    sql,
    invoke,
    options: { ...options },
    until,
    claimed: 0,
    claimIds: [],
    underWay: 0,
  }
  if (queued) await takeByHand(claims)
  for (const startsDue of [true, false]) {
    if (!overdue && (startsDue || !ahead)) continue
    if (queued && due) await takeQueued(claims, startsDue, await halfOfRoom(claims, startsDue))
    await takeDue(claims, startsDue)
    if (queued) await takeQueued(claims, startsDue)
  }
  await takeQuick(claims, { queued, due })
  return { claimed: claims.claimed, claimIds: claims.claimIds }
}

/** Of what a person asked for, and of what is quick, so many wait for one of the few places that are kept for them. */
async function takeByHand(claims: Claims): Promise<void> {
  const { now, ahead, quick } = await claims.invoke.capacity()
  const limit = Math.min(batch.size, Math.max(now, ahead, quick ?? 0))
  if (limit <= 0) return
  const options = claimOptions(claims, limit, false)
  await keepRoom(claims, options, { taken: claimByHand(claims.sql, options) })
}

/** Everything else has had its turn; if that left no room, there still is some for these. */
async function takeQuick(claims: Claims, { queued, due }: Pick<Wanted, 'queued' | 'due'>): Promise<void> {
  if (queued) {
    await takeInQuickRoom(claims, (options) => ({ taken: claimQueuedQuick(claims.sql, options) }))
  }
  if (due) await takeInQuickRoom(claims, (options) => claimDue(claims.sql, { ...options, which: 'quick' }))
}

async function takeInQuickRoom(claims: Claims, claim: (options: ClaimOptions) => Claiming): Promise<void> {
  const { ahead, quick = 0 } = await claims.invoke.capacity()
  if (quick <= 0 || ahead > 0) return
  await refreshClock(claims)
  const options = claimOptions(claims, Math.min(batch.size, quick), false)
  await keepRoom(claims, options, claim(options))
}

/** At most `share` of them: retries and what was handed back must leave room for what is due for the first time. */
async function takeQueued(
  claims: Claims,
  startsDue: boolean,
  share = Number.POSITIVE_INFINITY,
): Promise<void> {
  for (let left = share; left > 0 && performance.now() <= claims.until; ) {
    await refreshClock(claims)
    const limit = Math.min(left, await roomFor(claims, startsDue))
    if (limit <= 0) return
    const options = claimOptions(claims, limit, startsDue)
    const more = await keepRoom(claims, options, { taken: claimQueued(claims.sql, options) })
    left = more ? left - limit : 0
  }
}

/** Of an odd number the one and the other get more in turns: else nothing would ever get the only place that is free. */
let isTheirTurn = false

async function halfOfRoom(claims: Claims, startsDue: boolean): Promise<number> {
  const room = await roomFor(claims, startsDue)
  if (room % 2 === 0) return room / 2
  isTheirTurn = !isTheirTurn
  return (room + (isTheirTurn ? 1 : -1)) / 2
}

/** What a pass took may be due again when it is through: another follows one that came far. */
async function takeDue(claims: Claims, startsDue: boolean): Promise<void> {
  let more = true
  while (more && performance.now() <= claims.until) more = await takePass(claims, startsDue)
  // The rest is for the next tick.
  if (more) claims.invoke.nudge?.()
}

/** Batch after batch, soonest first, each from where the one before has ended. Gives whether another pass may find more. */
async function takePass(claims: Claims, startsDue: boolean): Promise<boolean> {
  const lanes = new Set<Promise<unknown>>()
  let after: Position | undefined
  let left = false
  let failed = false
  try {
    do {
      await refreshClock(claims)
      const limit = await waitForRoom(claims, startsDue, lanes)
      if (limit <= 0) return false
      const options = claimOptions(claims, limit, startsDue)
      const which: Which = limit < batch.size ? 'both' : 'oldest'
      const claim = claimDue(claims.sql, { ...options, which, ...(after && { after }) })
      const lane = keepRoom(claims, options, claim).then((more) => {
        left ||= more
        lanes.delete(lane)
      })
      lane.catch(() => {
        failed = true
      })
      lanes.add(lane)
      const { last } = await claim.locked
      if (!last) break
      after = last
    } while (!failed && performance.now() <= claims.until)
    await Promise.all(lanes)
    return after !== undefined || left
  } finally {
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
    const isAlone = lanes.size === 0
    const limit = lanes.size < LANES ? await roomFor(claims, startsDue) : 0
    if (limit > 0 || isAlone) return limit
    // They may have ended while it was asked how much room there is.
    if (lanes.size > 0) await Promise.race(lanes)
  }
}

async function roomFor({ invoke, underWay }: Claims, startsDue: boolean): Promise<number> {
  const { now, ahead } = await invoke.capacity()
  return Math.min(batch.size, startsDue ? now : batch.size, ahead - underWay)
}

async function refreshClock({ sql, options }: Claims): Promise<void> {
  if (options.isFixed || performance.now() - options.clock.readAt <= CLOCK_MS) return
  options.clock = await readClock(sql)
}

function claimOptions({ invoke, options }: Claims, limit: number, startsDue: boolean): ClaimOptions {
  const { clock, leaseSeconds, aheadMs = 0 } = options
  const claimSize = invoke.claimSize && { claimSize: invoke.claimSize }
  return { limit, startsDue, clock, leaseSeconds, aheadMs: startsDue ? 0 : aheadMs, ...claimSize }
}

/** Hands over what is taken. Until then its room is kept: what starts with its claim has its places. Gives whether more is left. */
async function keepRoom(
  claims: Claims,
  { limit, startsDue }: ClaimOptions,
  { locked, taken }: Claiming,
): Promise<boolean> {
  const { sql, invoke } = claims
  const keep = (count: number): void => {
    claims.underWay += count
    if (startsDue) invoke.reserve?.(count)
  }
  let kept = limit
  keep(limit)
  try {
    if (locked) {
      const { count } = await locked
      keep(count - limit)
      kept = count
    }
    const { claims: own, more } = await taken
    claims.claimed += own.reduce((all, { executions }) => all + executions.length, 0)
    claims.claimIds.push(...own.map(({ id }) => id))
    await handOver(sql, invoke, own)
    batch.worked()
    return more
  } catch (error) {
    if (wasTooSlow(error)) batch.tooSlow()
    throw error
  } finally {
    keep(-kept)
  }
}
