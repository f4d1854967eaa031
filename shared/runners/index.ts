import { counter } from './counter.ts'
import { http } from './http.ts'
import type { Runner } from './runner.ts'
import { sleep } from './sleep.ts'

/** Every task type. A new one is a file in this folder and a line here. */
export const runners = { sleep, counter, http } as const

export type TaskType = keyof typeof runners

export const TASK_TYPES = Object.keys(runners) as [TaskType, ...TaskType[]]

/**
 * Returns the runner of a type, with its params not narrowed; undefined if there is none (the row comes from a newer
 * version).
 */
export function runnerOf(type: string): Runner | undefined {
  // Each runner only ever gets what its own `params` has parsed.
  return Object.hasOwn(runners, type) ? (runners[type as TaskType] as Runner) : undefined
}
