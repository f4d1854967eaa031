import { messageOf } from '../../errors.ts'
import { runErrorOf } from '../../runners/error-code.ts'
import { cancelled, failed, handedBack, type Outcome, timedOut } from '../../runners/outcome.ts'
import type { RunInfo } from '../../runners/runner.ts'
import type { ClaimedExecution } from '../claim/claim.ts'
import { backoffSeconds } from './backoff.ts'
import type { HeldExecution, StopReason } from './held.ts'

/**
 * A running execution, and the information that its runner receives. There may be thousands of runs, so each one
 * allocates as little as possible.
 */
export class Run implements RunInfo {
  readonly item: HeldExecution
  readonly #timeoutSeconds: number
  readonly #onEnd: (run: Run, outcome: Outcome | null) => void
  #timer: NodeJS.Timeout | undefined
  #controller: AbortController | undefined
  #stopped: StopReason | undefined
  #ended = false

  /**
   * `onEnd` is called once, with the outcome, or with null if the claim was lost, in which case nothing may be written.
   */
  constructor(
    item: HeldExecution,
    timeoutSeconds: number,
    onEnd: (run: Run, outcome: Outcome | null) => void,
  ) {
    this.item = item
    this.#timeoutSeconds = timeoutSeconds
    this.#onEnd = onEnd
  }

  /** Starts the runner, unless the run has already been stopped. */
  begin(): void {
    if (!this.#ended) void this.#run()
  }

  /**
   * Starts the timeout. Called one turn of the event loop after `begin`, so that runs that end immediately don't need a
   * timer.
   */
  limit(): void {
    if (!this.#ended) this.#timer = setTimeout(stopInTime, this.#timeoutSeconds * 1000, this)
  }

  /** Stops the run. Only the first reason counts. Anything that the runner returns later is ignored. */
  stop(reason: StopReason): void {
    if (this.#stopped !== undefined) return
    this.#stopped = reason
    this.#end(stoppedOutcome(reason, this.#timeoutSeconds))
    this.#controller?.abort(reason)
  }

  get execution(): ClaimedExecution {
    return this.item.execution
  }

  get taskId(): number {
    return this.execution.task_id
  }

  get executionId(): number {
    return this.execution.id
  }

  get scheduledFor(): Date {
    return this.execution.scheduled_for
  }

  get attempt(): number {
    return this.execution.attempt
  }

  get idempotencyKey(): string {
    const { task_id, trigger, scheduled_for } = this.execution
    return `task-${task_id}-${trigger}-${scheduled_for.toISOString()}`
  }

  /** Created on demand, since many runs end without using it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#stopped !== undefined) this.#controller.abort(this.#stopped)
    return this.#controller.signal
  }

  async #run(): Promise<void> {
    let outcome: Outcome
    try {
      outcome = await this.#attempt()
    } catch (error) {
      outcome = failed(runErrorOf(error), messageOf(error))
    }
    this.#end(outcome)
  }

  #attempt(): Promise<Outcome> | Outcome {
    const { work } = this.execution.task
    if ('runner' in work) return work.runner.run(work.params, this)
    return failed(work.unknownType === undefined ? 'bad_params' : 'unknown_type', work.problem)
  }

  #end(outcome: Outcome | null): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#onEnd(this, outcome && withRetry(this.execution, outcome))
  }
}

const stopInTime = (run: Run): void => run.stop('timeout')

function stoppedOutcome(reason: StopReason, timeoutSeconds: number): Outcome | null {
  if (reason === 'timeout') return timedOut(timeoutSeconds)
  if (reason === 'cancelled') return cancelled('stopped on request')
  return reason === 'shutdown' ? handedBack : null
}

function withRetry(execution: ClaimedExecution, outcome: Outcome): Outcome {
  if (outcome.status !== 'failed' && outcome.status !== 'timeout') return outcome
  const { task } = execution
  const failures = execution.failures + 1
  if (!outcome.retryable || failures >= task.max_attempts) return outcome
  const { retry_backoff_seconds: base, retry_max_backoff_seconds: cap } = task
  const backoff = backoffSeconds(base, cap, failures)
  return { ...outcome, retryInSeconds: Math.max(backoff, outcome.notBeforeSeconds ?? 0) }
}
