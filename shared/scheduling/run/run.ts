import { messageOf } from '../../errors.ts'
import { cancelled, failed, handedBack, type Outcome, timedOut } from '../../runners/outcome.ts'
import type { RunInfo } from '../../runners/runner.ts'
import type { ClaimedExecution } from '../claim/claimed-execution.ts'
import { backoffSeconds } from './backoff.ts'
import type { StopReason, Work } from './work.ts'

/** One execution that runs, and what its runner is told about it. Thousands may be under way: it keeps and makes no more than it must. */
export class Run implements RunInfo {
  readonly work: Work
  readonly #timeoutSeconds: number
  readonly #onEnd: (run: Run, outcome: Outcome | null) => void
  #timer: NodeJS.Timeout | undefined
  #controller: AbortController | undefined
  #stopped: StopReason | undefined
  #ended = false

  /** `onEnd` is called once, with how it ended: null when its claim was lost, so that nothing may be written. */
  constructor(work: Work, timeoutSeconds: number, onEnd: (run: Run, outcome: Outcome | null) => void) {
    this.work = work
    this.#timeoutSeconds = timeoutSeconds
    this.#onEnd = onEnd
  }

  /** Runs, unless it was stopped before. */
  begin(): void {
    if (!this.#ended) void this.#run()
  }

  /** From now on it has `timeoutSeconds` at most. Most runs that end at once have by then, and need no timer. */
  limit(): void {
    if (!this.#ended) this.#timer = setTimeout(stopInTime, this.#timeoutSeconds * 1000, this)
  }

  /** The first reason counts; what it still gives after that is dropped. */
  stop(reason: StopReason): void {
    if (this.#stopped !== undefined) return
    this.#stopped = reason
    this.#end(stoppedOutcome(reason, this.#timeoutSeconds))
    this.#controller?.abort(reason)
  }

  get execution(): ClaimedExecution {
    return this.work.execution
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

  /** Made when it is asked for: many runs end before they look. */
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
      outcome = failed(messageOf(error))
    }
    this.#end(outcome)
  }

  #attempt(): Promise<Outcome> | Outcome {
    const { work } = this.execution.task
    return 'problem' in work ? failed(work.problem) : work.runner.run(work.params, this)
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
