import { counter } from './counter.ts'
import { http } from './http.ts'
import type { Runner } from './runner.ts'
import { sleep } from './sleep.ts'

/** Every task type. A new one is a file beside this one, and a line here. */
export const runners = { sleep, counter, http } as const

export type TaskType = keyof typeof runners

export const TASK_TYPES = Object.keys(runners) as [TaskType, ...TaskType[]]

/** The runner of a type, its params not yet narrowed; undefined when there is none (a row from a newer version). */
export function runnerOf(type: string): Runner | undefined {
  // Each runner only ever gets what its own `params` has parsed.
  return Object.hasOwn(runners, type) ? (runners[type as TaskType] as Runner) : undefined
}
