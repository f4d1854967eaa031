import type { Definition } from './definition.ts'

/** An execution that a worker holds, with everything it needs to run it. */
export type ClaimedExecution = {
  id: number
  claim_id: string
  task_id: number
  scheduled_for: Date
  trigger: string
  attempt: number
  due_at: Date
  /** Set when it started with its claim, because it was due. */
  started_at: Date | null
  /** When its task is due next. */
  next_run_at: Date | null
  /** How many earlier attempts of this occurrence failed or timed out. */
  failures: number
  /**
   * How long the task's last occurrence took, from its first attempt to its last; `none` when it has not run before.
   */
  lastRun: LastRun
  task: Definition
}

/** A run that takes a second is slow; `quick` is well below that. */
export type LastRun = 'quick' | 'slow' | 'none'

/** The longest quick run. Starting and settling it takes time too, and all of it stays well within a second. */
export const QUICK_MS = 500

/** `tookMs`: null when there was no run. */
export function lastRunOf(tookMs: number | null): LastRun {
  if (tookMs === null) return 'none'
  return tookMs <= QUICK_MS ? 'quick' : 'slow'
}
