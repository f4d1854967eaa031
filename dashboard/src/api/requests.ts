import type { Page } from '../ui/pages.ts'
import { bodyOf, client, pageOf } from './client.ts'
import type { Execution, LinkedExecution, Session, Stats, Task, Worker } from './model.ts'

export type Query = Record<string, string | number | boolean | undefined>

const PAGE_ROWS = 100

const given = (query: Query): never =>
  // The API names what is wrong with a parameter, and addresses can hold anything: nothing to check here.
  Object.fromEntries(
    Object.entries(query).filter(([, value]) => value !== undefined && value !== ''),
  ) as never

export const listTasks = (query: Query, cursor: string | null, limit = PAGE_ROWS): Promise<Page<Task>> =>
  pageOf(client.GET('/tasks', { params: { query: given({ ...query, limit, cursor: cursor ?? undefined }) } }))

export const listExecutions = (
  query: Query,
  cursor: string | null,
  limit = PAGE_ROWS,
): Promise<Page<Execution>> =>
  pageOf(
    client.GET('/executions', { params: { query: given({ ...query, limit, cursor: cursor ?? undefined }) } }),
  )

export const getTask = (id: number): Promise<Task> =>
  bodyOf(client.GET('/tasks/{id}', { params: { path: { id } } }))

export const getExecution = (id: number): Promise<LinkedExecution> =>
  bodyOf(client.GET('/executions/{id}', { params: { path: { id } } }))

export const listUpcoming = (limit: number): Promise<Task[]> =>
  bodyOf(client.GET('/upcoming', { params: { query: { limit } } }))

export const getStats = (query: Query): Promise<Stats> =>
  bodyOf(client.GET('/stats', { params: { query: given(query) } }))

export const listWorkers = (): Promise<Worker[]> => bodyOf(client.GET('/workers'))

export const getSession = (): Promise<Session> => bodyOf(client.GET('/session'))

export const logIn = (key: string): Promise<Session> => bodyOf(client.POST('/session', { body: { key } }))

export const logOut = (): Promise<Session> => bodyOf(client.DELETE('/session'))

/** `open`, only of a rerun, is how many tasks were left alone because they have an open execution. */
type Bulk = { matched: number; changed: number; open?: number; remaining: number; next: string | null }

const BULK_PATHS = {
  pause: '/tasks/pause',
  resume: '/tasks/resume',
  delete: '/tasks',
  rerun: '/executions/rerun',
} as const

export type BulkVerb = keyof typeof BULK_PATHS

/**
 * Applies an action to everything that matches a filter, in as many calls as needed, or only counts what it would
 * affect.
 */
export async function bulk(
  verb: BulkVerb,
  filter: Query,
  { dryRun }: { dryRun: boolean },
): Promise<{ matched: number; changed: number; open: number }> {
  const sum = { matched: 0, changed: 0, open: 0 }
  let cursor: string | undefined
  do {
    const query = given({
      ...filter,
      cursor,
      dry_run: dryRun || undefined,
      all: Object.keys(filter).length === 0 || undefined,
    })
    const init = { params: { query }, ...(verb !== 'delete' && { body: {} }) } as never
    const path = BULK_PATHS[verb] as never
    const answer: Bulk = await bodyOf(
      (verb === 'delete' ? client.DELETE(path, init) : client.POST(path, init)) as never,
    )
    sum.matched += answer.matched
    sum.changed += answer.changed
    sum.open += answer.open ?? 0
    cursor = answer.remaining > 0 && answer.next !== null ? answer.next : undefined
  } while (cursor !== undefined)
  return sum
}
