import { setTimeout as wait } from 'node:timers/promises'
import { logger } from '../../logger.ts'
import type { Ticked } from './tick.ts'
import { startTickTimer } from './tick-timer.ts'

/** The number of ticks, how many of them succeeded, and how many executions they claimed. */
export type Looped = { ticks: number; worked: number; claimed: number }

/**
 * How many milliseconds further ahead the last tick claims than the ticks before it. The next loop may start this
 * much later without delaying executions.
 */
const HANDOVER_MS = 3000

type Options = { loopSeconds: number; tickIntervalMs: number; claimAheadMs: number; leaseSeconds: number }

/**
 * Ticks once per interval for `loopSeconds`, within one invocation, for runtimes that can't invoke a function that
 * often. A tick that throws doesn't end the loop. Ends half an interval after the last tick began, or when that tick
 * ends, whichever is later. Throws if every tick threw.
 */
export async function loopTicks(
  tick: (aheadMs: number) => Promise<Ticked>,
  { loopSeconds, tickIntervalMs, claimAheadMs, leaseSeconds }: Options,
): Promise<Looped> {
  const looped: Looped = { ticks: 0, worked: 0, claimed: 0 }
  const end = performance.now() + loopSeconds * 1000 - tickIntervalMs / 2
  const handoverMs = Math.max(claimAheadMs, Math.min(claimAheadMs + HANDOVER_MS, leaseSeconds * 500))
  const beat = async (): Promise<void> => {
    const isLast = performance.now() + tickIntervalMs > end
    looped.ticks += 1
    const { claimed } = await tick(isLast ? handoverMs : claimAheadMs)
    looped.worked += 1
    looped.claimed += claimed
  }
  const ticker = startTickTimer(beat, tickIntervalMs)
  await wait(end - performance.now())
  await ticker.stop()
  logger.info('tick loop ended', looped)
  if (looped.worked === 0) throw new Error(`all ${looped.ticks} ticks failed`)
  return looped
}
