import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { say } from '../ui/toast.tsx'
import { bodyOf, client } from './client.ts'
import { type BulkVerb, bulk, type Query } from './requests.ts'

export type PauseUntil = { reason?: string; until?: string }

const AT_ONCE = 6

const path = (id: number) => ({ params: { path: { id } } })

export const runTask = (id: number, overlap?: 'queue') =>
  bodyOf(client.POST('/tasks/{id}/run', { ...path(id), body: overlap ? { overlap } : {} }))

export const pauseTask = (id: number, body: PauseUntil = {}) =>
  bodyOf(client.POST('/tasks/{id}/pause', { ...path(id), body }))

export const resumeTask = (id: number) => bodyOf(client.POST('/tasks/{id}/resume', { ...path(id), body: {} }))

export const deleteTask = (id: number) => bodyOf(client.DELETE('/tasks/{id}', path(id)))

export const cancelExecution = (id: number) => bodyOf(client.POST('/executions/{id}/cancel', path(id)))

export const rerunExecution = (id: number) => bodyOf(client.POST('/executions/{id}/rerun', path(id)))

/** Refreshes everything on the screen after a change. */
const refresh = (queries: QueryClient): Promise<void> => queries.invalidateQueries()

/** Returns a function that performs an action, reports the outcome, and refreshes the screen. */
export function useDo(): <T>(
  work: () => Promise<T>,
  done: string | ((result: T) => string),
) => Promise<T | undefined> {
  const queries = useQueryClient()
  return async (work, done) => {
    try {
      const result = await work()
      say(typeof done === 'string' ? done : done(result))
      return result
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), 'error')
      return undefined
    } finally {
      void refresh(queries)
    }
  }
}

/** Applies an action to each item, a few at a time. Returns how many succeeded, and the first error. */
export async function toEach(
  ids: number[],
  work: (id: number) => Promise<unknown>,
): Promise<{ done: number; failed: number; reason?: string }> {
  const result: { done: number; failed: number; reason?: string } = { done: 0, failed: 0 }
  const waiting = [...ids]
  const worker = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        await work(id)
        result.done++
      } catch (error) {
        result.failed++
        result.reason ??= error instanceof Error ? error.message : String(error)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return result
}

export const countHit = (verb: BulkVerb, filter: Query) => bulk(verb, filter, { dryRun: true })

export const doToAll = (verb: BulkVerb, filter: Query) => bulk(verb, filter, { dryRun: false })
