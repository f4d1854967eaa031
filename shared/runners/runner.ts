import type * as z from 'zod'
import type { Queryable } from '../db.ts'
import type { Outcome, Result } from './outcome.ts'

/** What a run knows of its occurrence. */
export type RunInfo = {
  taskId: number
  executionId: number
  scheduledFor: Date
  attempt: number
  /** The same for each attempt at an occurrence, and for no other, so that targets needn't act twice. */
  idempotencyKey: string
  /** Aborts at the timeout, on a cancel, at a shutdown and when the claim is lost. The runner must stop then. */
  signal: AbortSignal
}

/** The code behind a task type. */
export type Runner<Params = unknown> = {
  /** What it does, in a sentence without a period: for the reference page. */
  about: string
  /** Checks a task's params when it is created or changed, and fills in the defaults when it runs. */
  params: z.ZodType<Params>
  /**
   * Does the work. It must not change its params, which all runs of a task share. If it throws, the execution fails
   * with the error's message as its detail.
   */
  run(params: Params, run: RunInfo): Promise<Outcome>
  /** Returns what runs with these params depend on, such as a server: if it hangs, they all do. Default: the task type. */
  target?(params: Params): string
  /**
   * Effects in this database, for tasks whose `run` succeeded. They happen in the transaction that settles the
   * executions, so exactly once. Returns results by task id.
   */
  commit?(sql: Queryable, taskIds: number[]): Promise<Map<number, Result>>
}
