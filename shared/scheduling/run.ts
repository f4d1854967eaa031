import { runnerOf } from '../runners/index.ts'
import { backoffSeconds } from './backoff.ts'
import type { Claimed } from './claimed.ts'
import { cancelled, failed, handedBack, type Outcome, timedOut } from './outcome.ts'
import { describe } from './record.ts'

/** Why a run is stopped before it is done: the reason of its AbortSignal. */
export type StopReason = 'timeout' | 'cancelled' | 'shutdown' | 'claim_lost'

/** One execution that runs, for `timeoutSeconds` at most. */
export class Run {
  readonly execution: Claimed
  /** Null when its claim was lost, so that nothing may be written. Never rejects. */
  readonly outcome: Promise<Outcome | null>
  readonly #timeoutSeconds: number
  readonly #end: (outcome: Outcome | null) => void
  #controller: AbortController | undefined
  #stopped: StopReason | undefined

  constructor(execution: Claimed, timeoutSeconds: number) {
    this.execution = execution
    this.#timeoutSeconds = timeoutSeconds
    const { promise, resolve } = Promise.withResolvers<Outcome | null>()
    this.outcome = promise
    const timer = setTimeout(() => this.stop('timeout'), timeoutSeconds * 1000)
    this.#end = (outcome) => {
      clearTimeout(timer)
      resolve(outcome && withRetry(execution, outcome))
    }
    this.#run().then(this.#end, (error: unknown) => this.#end(failed(describe(error))))
  }

  /** The first reason counts; what it still gives after that is dropped. */
  stop(reason: StopReason): void {
    if (this.#stopped !== undefined) return
    this.#stopped = reason
    this.#end(stoppedOutcome(reason, this.#timeoutSeconds))
    this.#controller?.abort(reason)
  }

  /** Made when it is asked for: many runs end before they look. */
  get #signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#stopped !== undefined) this.#controller.abort(this.#stopped)
    return this.#controller.signal
  }

  async #run(): Promise<Outcome> {
    const { task, scheduled_for: scheduledFor, id, attempt, trigger } = this.execution
    const runner = runnerOf(task.type)
    if (!runner) return failed(`no runner for type ${task.type}`)
    const params = runner.params.safeParse(task.params)
    if (!params.success)
      return failed(`bad params: ${params.error.issues.map((it) => it.message).join('; ')}`)
    const signal = () => this.#signal
    return await runner.run(params.data, {
      taskId: task.id,
      executionId: id,
      scheduledFor,
      attempt,
      get idempotencyKey() {
        return `task-${task.id}-${trigger}-${scheduledFor.toISOString()}`
      },
      get signal() {
        return signal()
      },
    })
  }
}

function stoppedOutcome(reason: StopReason, timeoutSeconds: number): Outcome | null {
  if (reason === 'timeout') return timedOut(timeoutSeconds)
  if (reason === 'cancelled') return cancelled('stopped on request')
  return reason === 'shutdown' ? handedBack : null
}

function withRetry(execution: Claimed, outcome: Outcome): Outcome {
  if (outcome.status !== 'failed' && outcome.status !== 'timeout') return outcome
  const { task } = execution
  const failures = execution.failures + 1
  if (!outcome.retryable || failures >= task.max_attempts) return outcome
  const { retry_backoff_seconds: base, retry_max_backoff_seconds: cap } = task
  const backoff = backoffSeconds(base, cap, failures)
  return { ...outcome, retryInSeconds: Math.max(backoff, outcome.notBeforeSeconds ?? 0) }
}
