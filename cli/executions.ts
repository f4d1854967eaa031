import type * as z from 'zod'
import type { executionOut } from '../shared/executions/execution.ts'
import type { rerunOut } from '../shared/executions/rerun-all.ts'
import type { Api } from './api.ts'
import { type AddCommands, toQuery, wholeNumber, withFilters, withTaskFilters } from './options.ts'
import { shortInstant } from './output.ts'
import { TASK, taskId } from './task-id.ts'

type Execution = z.output<typeof executionOut>
type Reruns = z.output<typeof rerunOut>

const columns = [
  { title: 'ID', right: true, cell: (it: Execution) => String(it.id) },
  { title: 'STATUS', cell: (it: Execution) => it.status },
  { title: 'STARTED (UTC)', cell: (it: Execution) => shortInstant(it.started_at) },
  { title: 'SECONDS', right: true, cell: secondsOf },
  { title: 'TRY', right: true, cell: (it: Execution) => String(it.attempt) },
  { title: 'RESULT', flexible: true, cell: outcomeOf },
] as const

const taskColumn = { title: 'TASK', flexible: true, cell: (it: Execution) => it.task_name } as const
const columnsOfAll = [columns[0], taskColumn, ...columns.slice(1)]

function secondsOf({ duration_ms: ms }: Execution): string {
  return ms === null ? '-' : (ms / 1000).toFixed(3)
}

function outcomeOf({ detail, result, skip_reason, skipped_count }: Execution): string {
  if (skip_reason !== null) return `${skipped_count} skipped: ${skip_reason}`
  if (detail !== null) return detail
  return Object.entries(result ?? {})
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

type Filters = Record<string, string | number>

/** How many executions of all tasks are listed by default, and how many a page has at most. */
const LISTED = 100
const PAGE = 1000

/** Reruns call by call, until no tasks remain. Returns the sums. An error says what had been started by then. */
async function rerunMatching(api: Api, options: Record<string, unknown>): Promise<Reruns> {
  const all: Reruns = { matched: 0, changed: 0, open: 0, remaining: 0, next: null, dry_run: false }
  let cursor: string | undefined
  do {
    const some = await api
      .call<Reruns>('POST', `/executions/rerun${toQuery({ ...options, cursor })}`)
      .catch((error: Error) => {
        if (all.changed > 0) error.message += `; ${all.changed} tasks run again already`
        throw error
      })
    all.matched += some.matched
    all.changed += some.changed
    all.open += some.open
    all.dry_run = some.dry_run
    cursor = some.next ?? undefined
  } while (cursor !== undefined)
  return all
}

export const addExecutionCommands: AddCommands = (program, session) => {
  withTaskFilters(withFilters(program.command('executions')))
    .description("list executions: a task's, oldest first, or those of all tasks, newest first")
    .argument('[task]', TASK[1])
    .option('--order <asc|desc>', 'oldest first or newest first')
    .option('--limit <n>', `number of executions to list (default ${LISTED}; all of a task)`, wholeNumber)
    .action(async (given: string | undefined, { limit, ...filters }: Filters & { limit?: number }) => {
      const { api, output } = session()
      const none = 'no executions match'
      if (given === undefined) {
        const most = limit ?? LISTED
        const query = toQuery({ ...filters, limit: Math.min(most, PAGE) })
        output.table(columnsOfAll, await api.list<Execution>(`/executions${query}`, most), none)
      } else {
        const id = await taskId(api, given)
        const isPlain = Object.keys(filters).length === 0
        const executions = await api.list<Execution>(`/tasks/${id}/executions${toQuery(filters)}`, limit)
        output.table([...columns], executions, isPlain ? `task ${id} has not run yet` : none)
      }
    })

  withTaskFilters(withFilters(program.command('rerun')))
    .description('run an execution again or, with filters, the tasks of all executions that match')
    .argument('[execution-id]', 'execution id', wholeNumber)
    .option('--task-id <id>', 'only executions of this task', wholeNumber)
    .option('--dry-run', 'only say how many tasks would run')
    .action(async (id: number | undefined, { dryRun, ...filters }: Filters & { dryRun?: true }) => {
      const { api, output } = session()
      if (id === undefined) {
        const reruns = await rerunMatching(api, { ...filters, dryRun })
        const kept = reruns.open > 0 ? `; ${reruns.open} have an open execution, and were left alone` : ''
        const said = dryRun
          ? `${reruns.matched} tasks would run again`
          : `${reruns.changed} tasks run again${kept}`
        return output.say(said, reruns)
      }
      if (dryRun || Object.keys(filters).length > 0)
        program.error('error: pass an execution id or filters, not both')
      const execution = await api.call<Execution>('POST', `/executions/${id}/rerun`)
      output.say(`execution ${execution.id} of task ${execution.task_id} is queued`, execution)
    })

  program
    .command('run')
    .description('run a task now, regardless of its schedule')
    .argument(...TASK)
    .option('--queue', 'if an execution is open, run after it')
    .action(async (given: string, { queue = false }: { queue?: boolean }) => {
      const { api, output } = session()
      const id = await taskId(api, given)
      const overlap = queue ? 'queue' : 'refuse'
      const answer = await api.call<Execution | { queued: true }>('POST', `/tasks/${id}/run`, { overlap })
      const said =
        'id' in answer
          ? `execution ${answer.id} of task ${id} is queued`
          : 'another run will start when the open execution ends'
      output.say(said, answer)
    })

  program
    .command('cancel')
    .description('cancel an execution: immediately if it is queued, within seconds if it is running')
    .argument('<execution-id>', 'execution id', wholeNumber)
    .action(async (id: number) => {
      const { api, output } = session()
      const execution = await api.call<Execution>('POST', `/executions/${id}/cancel`)
      const done = execution.status === 'cancelled' ? 'is cancelled' : 'was asked to stop'
      output.say(`execution ${id} ${done}`, execution)
    })
}
