import { runnerOf } from '../runners/index.ts'
import { backoffSeconds } from './backoff.ts'
import type { Claimed } from './claimed.ts'
import type { StopReason } from './heartbeat.ts'
import { cancelled, failed, handedBack, type Outcome, timedOut } from './outcome.ts'
import { describe } from './record.ts'

/**
 * Runs an execution's task, for `timeoutSeconds` at most, and gives the outcome; null when its claim was lost, so that nothing may
 * be written. What aborts `controller` says why, as a `StopReason`. Never rejects.
 */
export async function runWithin(
  timeoutSeconds: number,
  execution: Claimed,
  controller: AbortController,
): Promise<Outcome | null> {
  const { signal } = controller
  if (signal.aborted) return stoppedOutcome(signal.reason as StopReason, timeoutSeconds)
  const timer = setTimeout(() => controller.abort('timeout' satisfies StopReason), timeoutSeconds * 1000)
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    return withRetry(execution, await Promise.race([run(execution, signal), stopped]))
  } catch (error) {
    const outcome = signal.aborted
      ? stoppedOutcome(signal.reason as StopReason, timeoutSeconds)
      : failure(error)
    return outcome && withRetry(execution, outcome)
  } finally {
    clearTimeout(timer)
  }
}

async function run(execution: Claimed, signal: AbortSignal): Promise<Outcome> {
  const runner = runnerOf(execution.type)
  if (!runner) return failed(`no runner for type ${execution.type}`)
  const params = runner.params.safeParse(execution.params)
  if (!params.success) return failed(`bad params: ${params.error.issues.map((it) => it.message).join('; ')}`)
  return await runner.run(params.data, {
    taskId: execution.task_id,
    executionId: execution.id,
    scheduledFor: execution.scheduled_for,
    attempt: execution.attempt,
    idempotencyKey: `task-${execution.task_id}-${execution.trigger}-${execution.scheduled_for.toISOString()}`,
    signal,
  })
}

function stoppedOutcome(reason: StopReason, timeoutSeconds: number): Outcome | null {
  if (reason === 'timeout') return timedOut(timeoutSeconds)
  if (reason === 'cancelled') return cancelled('stopped on request')
  return reason === 'shutdown' ? handedBack : null
}

const failure = (error: unknown): Outcome => failed(describe(error))

function withRetry(execution: Claimed, outcome: Outcome): Outcome {
  if (outcome.status !== 'failed' && outcome.status !== 'timeout') return outcome
  const failures = execution.failures + 1
  if (!outcome.retryable || failures >= execution.max_attempts) return outcome
  const { retry_backoff_seconds: base, retry_max_backoff_seconds: cap } = execution
  const backoff = backoffSeconds(base, cap, failures)
  return { ...outcome, retryInSeconds: Math.max(backoff, outcome.notBeforeSeconds ?? 0) }
}
