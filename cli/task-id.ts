import type { Api } from './api.ts'

/** The argument of every command that takes a task. */
export const TASK = ['<task>', "task id, or the task's name if it isn't a number"] as const

/** Returns the id of a task that is given by id or by name. Rejects with an ApiError if no task has the name. */
export async function taskId(api: Api, given: string): Promise<number> {
  if (/^\d+$/.test(given)) return Number(given)
  const { id } = await api.call<{ id: number }>('GET', `/tasks/by-name/${encodeURIComponent(given)}`)
  return id
}
