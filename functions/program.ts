import { BatchSize } from '../shared/batch-size.ts'
import { config } from '../shared/config.ts'
import { heartbeatDb, schedulerDb } from '../shared/db.ts'
import type { Starting } from '../shared/executions/run-now.ts'
import type { Dispatcher } from '../shared/scheduling/claim/dispatch.ts'
import { Overdue } from '../shared/scheduling/health/overdue.ts'
import { Executor } from '../shared/scheduling/run/executor.ts'
import { TickMemory } from '../shared/scheduling/tick/tick.ts'
import { BULK_BATCH } from '../shared/tasks/bulk.ts'
import { lambdaDispatcher } from './scheduler/lambda-dispatcher.ts'

/*
 * What the handlers of one process share. Runtimes import handlers by path and pass them nothing but an event, so this
 * module holds it. Only `functions/` and `infra/` may read it; everything in `shared/` takes arguments.
 */

let provided: Dispatcher | undefined
let ownExecutor: Executor | undefined
let ownWatch: Overdue | undefined
let draining = false

/** What the claims and ticks of this process remember. */
export const memory = new TickMemory()

/** The size of the batches in which the bulk calls of this process change tasks. */
export const bulkBatch = new BatchSize(BULK_BATCH)

/** Makes this process run what it claims. The container calls it once, at its start. */
export function provideDispatcher(dispatcher: Dispatcher): void {
  provided = dispatcher
}

/** Returns the dispatcher of this process: the provided one, else the execute function's asynchronous invocation. */
export function dispatcher(): Dispatcher {
  const found = findDispatcher()
  if (found) return found
  throw new Error('EXECUTE_FUNCTION_NAME is not set, and nothing executes in this process')
}

function findDispatcher(): Dispatcher | undefined {
  const { executeFunctionName, maxConcurrentExecutions } = config()
  if (provided || !executeFunctionName) return provided
  return lambdaDispatcher(schedulerDb(), {
    functionName: executeFunctionName,
    slots: maxConcurrentExecutions,
  })
}

/**
 * Returns what starts a run at once; undefined when this process dispatches nothing, so that a tick elsewhere has to
 * claim it.
 */
export function starting(): Starting | undefined {
  const found = findDispatcher()
  return (
    found && {
      sql: schedulerDb(),
      dispatcher: found,
      memory,
      leaseSeconds: config().leaseSeconds,
    }
  )
}

/** Asks for an early tick when a task that was just written is due before the next tick would claim it. */
export function wakeTick({ next_run_at, updated_at }: { next_run_at: Date | null; updated_at: Date }): void {
  if (next_run_at === null) return
  if (next_run_at.getTime() - updated_at.getTime() <= config().claimAheadMs) provided?.nudge?.()
}

/** Returns the executor of this process: one, since its heartbeat keeps all of its claims. */
export function executor(): Executor {
  const { leaseSeconds, defaultTaskTimeoutSeconds, maxConcurrentExecutions } = config()
  ownExecutor ??= new Executor(schedulerDb(), {
    leaseSeconds,
    defaultTimeoutSeconds: defaultTaskTimeoutSeconds,
    maxRunning: maxConcurrentExecutions,
    heartbeatSql: heartbeatDb(),
    overdue: watch(),
  })
  return ownExecutor
}

/** Returns what watches over the scheduler of this process. */
export function watch(): Overdue {
  ownWatch ??= new Overdue(config().leaseSeconds)
  return ownWatch
}

/** From now on this process isn't ready: it is about to stop, and new requests belong elsewhere. */
export function startDraining(): void {
  draining = true
}

export const isDraining = (): boolean => draining
