import type * as z from 'zod'
import type { executionOut } from '../shared/executions/execution.ts'
import { type AddCommands, wholeNumber } from './options.ts'
import { shortInstant } from './output.ts'
import { TASK, taskId } from './task-id.ts'

type Execution = z.output<typeof executionOut>

const columns = [
  { title: 'ID', right: true, cell: (it: Execution) => String(it.id) },
  { title: 'STATUS', cell: (it: Execution) => it.status },
  { title: 'STARTED (UTC)', cell: (it: Execution) => shortInstant(it.started_at) },
  { title: 'SECONDS', right: true, cell: secondsOf },
  { title: 'TRY', right: true, cell: (it: Execution) => String(it.attempt) },
  { title: 'RESULT', flexible: true, cell: outcomeOf },
] as const

function secondsOf({ started_at, finished_at }: Execution): string {
  if (started_at === null || finished_at === null) return '-'
  return ((Date.parse(finished_at) - Date.parse(started_at)) / 1000).toFixed(3)
}

function outcomeOf({ detail, result, skip_reason, skipped_count }: Execution): string {
  if (skip_reason !== null) return `${skipped_count} skipped: ${skip_reason}`
  if (detail !== null) return detail
  return Object.entries(result ?? {})
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

export const addExecutionCommands: AddCommands = (program, session) => {
  program
    .command('executions')
    .description("list a task's executions, oldest first")
    .argument(...TASK)
    .action(async (given: string) => {
      const { api, output } = session()
      const id = await taskId(api, given)
      const executions = await api.list<Execution>(`/tasks/${id}/executions`)
      output.table([...columns], executions, `task ${id} has not run yet`)
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
