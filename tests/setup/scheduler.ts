import { memory, provideDispatcher } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import { type Execution, executionColumns } from '../../shared/executions/execution.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import type { Dispatcher } from '../../shared/scheduling/claim/dispatch.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { start } from '../../shared/scheduling/state/start.ts'
import { type Ticked, tick } from '../../shared/scheduling/tick/tick.ts'
import { eventually } from './eventually.ts'

const LEASE_SECONDS = 30

/** One hour. No test takes that long. */
const NO_LIMIT_MS = 3_600_000

export const newExecutor = (): Executor =>
  new Executor(db(), { leaseSeconds: LEASE_SECONDS, defaultTimeoutSeconds: 30, maxRunning: 1000 })

/** Ticks once. Returns the claims instead of running them. */
export async function tickOnly(now?: Date, aheadMs = 0): Promise<{ ticked: Ticked; claims: Claim[] }> {
  const claims: Claim[] = []
  const dispatcher: Dispatcher = {
    capacity: async () => ({ now: 0, ahead: 1000 }),
    send: async (claim) => void claims.push(claim),
  }
  const ticked = await tick(db(), dispatcher, memory, {
    leaseSeconds: LEASE_SECONDS,
    aheadMs,
    ...(now && { now }),
  })
  await memory.rolledUp
  return { ticked, claims }
}

/** Ticks once, and runs the claimed executions until they end. */
export async function tickAndRun(now?: Date, executor = newExecutor()): Promise<Ticked> {
  const { ticked, claims } = await tickOnly(now)
  for (const claim of claims) await executor.execute(claim, NO_LIMIT_MS)
  return ticked
}

/** Makes this process execute manual runs itself. `ended` waits for all of these runs. */
export function runHere(executor = newExecutor()): { ended(): Promise<unknown> } {
  const work: Promise<void>[] = []
  const send = async (claim: Claim) => void work.push(executor.execute(claim, NO_LIMIT_MS))
  provideDispatcher({ capacity: async () => ({ now: 0, ahead: 1000 }), send })
  return { ended: () => Promise.all(work) }
}

/** Makes manual runs wait for a tick, as if this process were full. */
export function runNothingHere(): void {
  provideDispatcher({ capacity: async () => ({ now: 0, ahead: 0 }), send: async () => {} })
}

/** Returns a task's executions, including open ones, oldest first. */
export async function historyOf(taskId: number): Promise<Execution[]> {
  return await db()<Execution[]>`
    select ${executionColumns(db())} from all_executions e where e.task_id = ${taskId} order by e.scheduled_for, e.id`
}

/** Expires all leases, as if their workers had gone silent. */
export async function expireLeases(): Promise<void> {
  await db()`update claims set lease_expires_at = now() - interval '1 second'`
}

/** Repeats `look` until it returns a truthy value, and resolves with that value. */
export const until = <T>(look: () => Promise<T | undefined | false>): Promise<T> =>
  eventually(async () => {
    const found = await look()
    if (!found) throw new Error('nothing was found in time')
    return found
  })

/**
 * Starts all executions in a claim without running them, to simulate a worker that goes silent right after starting
 * them.
 */
export const startAll = ({ executions }: Claim) =>
  start(
    db(),
    executions.map((execution) => ({ execution, inMs: 0 })),
  )
