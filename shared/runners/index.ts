import { counter } from './counter.ts'
import { http } from './http.ts'
import type { Runner } from './runner.ts'
import { sleep } from './sleep.ts'

/** All task types. To add one, create a file in this folder, and import and list it here. */
export const runners = { sleep, counter, http } as const

export type TaskType = keyof typeof runners

export const TASK_TYPES = Object.keys(runners) as [TaskType, ...TaskType[]]

/**
 * Returns the runner for a type, with untyped params. Returns undefined if this version has no such runner,
 * which happens if the row was written by a newer version.
 */
export function runnerOf(type: string): Runner | undefined {
  // Each runner only receives params that its own schema has parsed.
  return Object.hasOwn(runners, type) ? (runners[type as TaskType] as Runner) : undefined
}
