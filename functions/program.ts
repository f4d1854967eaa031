import { BatchSize } from '../shared/batch-size.ts'
import { config } from '../shared/config.ts'
import { Counters } from '../shared/counting/counters.ts'
import { heartbeatDb, schedulerDb, smallSetsDb } from '../shared/db.ts'
import type { Starting } from '../shared/executions/run-now.ts'
import type { Dispatcher } from '../shared/scheduling/claim/dispatch.ts'
import { Overdue } from '../shared/scheduling/health/overdue.ts'
import { Executor } from '../shared/scheduling/run/executor.ts'
import { TickMemory } from '../shared/scheduling/tick/tick.ts'
import { BULK_BATCH } from '../shared/tasks/bulk.ts'
import { version } from '../shared/version.ts'
import { Presence } from '../shared/workers/presence.ts'
import { CLAIM_SIZE, lambdaDispatcher } from './scheduler/lambda-dispatcher.ts'

/*
 * State that the handlers of one process share. Runtimes import handlers by path and pass them only an event, so the
 * state lives in this module. Only `functions/` and `infra/` may import it; code in `shared/` takes arguments instead.
 * The objects created here are marked as pure, so that functions that don't use them are packaged without them.
 */

let provided: Dispatcher | undefined
let ownExecutor: Executor | undefined
let ownWatch: Overdue | undefined
let ownPresence: Presence | undefined
let draining = false

/** What this process has counted, for its metrics. */
export const counters = /* @__PURE__ */ new Counters(() => config().metricsTaskLabels)

/** The state that this process keeps between ticks and claims. */
export const memory = /* @__PURE__ */ new TickMemory(counters)

/** The batch size for bulk calls, shared by all calls in this process. */
export const bulkBatch = /* @__PURE__ */ new BatchSize(BULK_BATCH)

/** Sets the dispatcher, so that this process runs its own claims. The container calls this once, at startup. */
export function provideDispatcher(dispatcher: Dispatcher): void {
  provided = dispatcher
}

/**
 * Returns this process's dispatcher: the provided one, or else one that invokes the execute function asynchronously.
 * Throws if there is neither.
 */
export function dispatcher(): Dispatcher {
  const found = findDispatcher()
  if (found) return found
  throw new Error("can't dispatch claims: EXECUTE_FUNCTION_NAME is not set, and this process has no executor")
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
 * Returns the dependencies for starting a manual run immediately. Returns undefined if this process has no dispatcher;
 * a tick in another process then claims the run.
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

/**
 * Requests an early tick if a task that was just written is due within the claim-ahead time. The next regular tick
 * might claim it too late.
 */
export function wakeTick({ next_run_at, updated_at }: { next_run_at: Date | null; updated_at: Date }): void {
  if (next_run_at === null) return
  if (next_run_at.getTime() - updated_at.getTime() <= config().claimAheadMs) provided?.nudge?.()
}

/** Requests an early tick, since executions were queued. */
export const nudgeTick = (): void => provided?.nudge?.()

/** Returns this process's executor. There is only one, since its heartbeat renews all of the process's claims. */
export function executor(): Executor {
  const { leaseSeconds, defaultTaskTimeoutSeconds, maxConcurrentExecutions } = config()
  ownExecutor ??= new Executor(schedulerDb(), {
    leaseSeconds,
    defaultTimeoutSeconds: defaultTaskTimeoutSeconds,
    maxRunning: maxConcurrentExecutions,
    heartbeatSql: heartbeatDb(),
    smallSetsSql: smallSetsDb(),
    overdue: watch(),
    counters,
  })
  return ownExecutor
}

/** Returns this process's executor, if it has run anything. */
export const startedExecutor = (): Executor | undefined => ownExecutor

/** Returns the object that watches this process's scheduler. */
export function watch(): Overdue {
  ownWatch ??= new Overdue(config().leaseSeconds)
  return ownWatch
}

/** Returns the object that writes this process's row in `workers`. */
export function presence(): Presence {
  const { runtime, machine, maxConcurrentExecutions } = config()
  // On Lambda, and under serverless offline, an environment runs one claim at a time.
  const slots = runtime === 'container' ? maxConcurrentExecutions : CLAIM_SIZE
  ownPresence ??= new Presence(schedulerDb, { id: memory.workerId, version, runtime, host: machine, slots })
  return ownPresence
}

/** Returns whether a key from the environment can manage keys. If so, the table doesn't need an admin key. */
export const hasConfiguredAdmin = (): boolean => config().keys.some(({ scope }) => scope === 'admin')

/** Marks this process as not ready, because it is about to stop and new requests should go elsewhere. */
export function startDraining(): void {
  draining = true
}

export const isDraining = (): boolean => draining
