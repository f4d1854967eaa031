import type * as z from 'zod'
import type { Queryable } from '../db.ts'
import type { Outcome, Result } from './outcome.ts'

/** Information about a run, for its runner. */
export type RunInfo = {
  taskId: number
  executionId: number
  scheduledFor: Date
  attempt: number
  /**
   * The same for all attempts at one occurrence, and unique to that occurrence, so that targets can ignore repeats.
   */
  idempotencyKey: string
  /**
   * Aborts when the run times out or is cancelled, when the worker shuts down, or when the claim is lost. The runner
   * must then stop.
   */
  signal: AbortSignal
}

/** The code behind a task type. */
export type Runner<Params = unknown> = {
  /** What the runner does, as a sentence without a final period, for the reference page. */
  about: string
  /** Validates a task's params when it runs, and fills in their defaults. */
  params: z.ZodType<Params>
  /**
   * Validates params when a task is created or given new ones. It may be stricter than `params`, since stored tasks
   * must still run. Default: `params`.
   */
  newParams?: z.ZodType<Params>
  /**
   * Does the work. It must not change its params, which all runs of a task share. If it throws, the execution fails
   * with the error's message as its detail.
   */
  run(params: Params, run: RunInfo): Promise<Outcome>
  /**
   * Returns the name of whatever may hold up all runs with these params, such as a server. Default: the task
   * type.
   */
  target?(params: Params): string
  /**
   * Applies effects in this database for tasks whose `run` succeeded. The effects happen exactly once, since they are
   * part of the transaction that settles the executions. Returns results by task id.
   */
  commit?(sql: Queryable, taskIds: number[]): Promise<Map<number, Result>>
}
