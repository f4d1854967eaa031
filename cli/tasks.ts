import type * as z from 'zod'
import type { taskOut } from '../shared/tasks/task.ts'
import {
  type AddCommands,
  decimal,
  type ScheduleOptions,
  toQuery,
  toSchedule,
  withSchedule,
} from './options.ts'
import { shortInstant } from './output.ts'
import { TASK, taskId } from './task-id.ts'

type Task = z.output<typeof taskOut>

type CreateOptions = ScheduleOptions & {
  taskType: string
  duration?: number
  url?: string
  timeoutSeconds?: number
  description?: string
}

const columns = [
  { title: 'ID', right: true, cell: (task: Task) => String(task.id) },
  { title: 'NAME', flexible: true, cell: (task: Task) => task.name },
  { title: 'TYPE', cell: (task: Task) => task.type },
  { title: 'SCHEDULE', flexible: true, cell: describeSchedule },
  { title: 'NEXT RUN (UTC)', cell: (task: Task) => shortInstant(task.next_run_at) },
  { title: 'STATE', cell: (task: Task) => task.state },
  { title: 'LAST', cell: (task: Task) => task.last_execution?.status ?? '-' },
] as const

function describeSchedule(task: Task): string {
  if (task.schedule_type === 'interval') return `every ${task.interval_seconds} s`
  if (task.schedule_type === 'once') return 'once'
  return task.timezone === 'UTC' ? `${task.cron_expression}` : `${task.cron_expression} ${task.timezone}`
}

export const addTaskCommands: AddCommands = (program, session) => {
  program
    .command('list-tasks')
    .description('list tasks, oldest first')
    .option('--state <states>', 'only tasks in these states, such as failing,late')
    .option('--search <text>', 'only tasks whose names contain this')
    .option('--tag <tag>', 'only tasks with this tag')
    .option('--sort <id|name|next_run_at|last_run>', 'what to sort by')
    .option('--order <asc|desc>', 'direction of the sort')
    .action(async (filters: Record<string, string>) => {
      const { api, output } = session()
      const tasks = await api.list<Task>(`/tasks${toQuery(filters)}`)
      output.table([...columns], tasks, 'there are no tasks')
    })

  withSchedule(program.command('create'))
    .description('create a task')
    .argument('<name>', 'unique name of the task')
    .option('--task-type <type>', 'type of task', 'sleep')
    .option('--duration <seconds>', 'how long a sleep task sleeps', decimal)
    .option('--url <url>', 'URL that an http task calls')
    .option('--timeout-seconds <seconds>', 'stop runs that take longer', decimal)
    .option('--description <text>', 'what the task is for')
    .action(async (name: string, options: CreateOptions) => {
      const { api, output } = session()
      const task = await api.call<Task>('POST', '/tasks', {
        name,
        type: options.taskType,
        ...toSchedule(options),
        params: { duration: options.duration, url: options.url },
        timeout_seconds: options.timeoutSeconds,
        description: options.description,
      })
      output.say(`created task ${task.id}, next run ${shortInstant(task.next_run_at)} UTC`, task)
    })

  program
    .command('delete')
    .description('delete a task and its executions')
    .argument(...TASK)
    .action(async (given: string) => {
      const { api, output } = session()
      const id = await taskId(api, given)
      output.say(`deleted task ${id}`, await api.call('DELETE', `/tasks/${id}`))
    })

  program
    .command('pause')
    .description('pause a task: its scheduled runs no longer start')
    .argument(...TASK)
    .option('--reason <text>', 'reason stored with the task')
    .option('--until <time>', 'time at which the task resumes automatically')
    .action(async (given: string, { reason, until }: { reason?: string; until?: string }) => {
      const { api, output } = session()
      const id = await taskId(api, given)
      const task = await api.call<Task>('POST', `/tasks/${id}/pause`, { reason, until })
      const end = task.paused_until ? ` until ${shortInstant(task.paused_until)} UTC` : ''
      output.say(`paused task ${id}${end}`, task)
    })

  program
    .command('resume')
    .description('resume a paused task')
    .argument(...TASK)
    .action(async (given: string) => {
      const { api, output } = session()
      const id = await taskId(api, given)
      const task = await api.call<Task>('POST', `/tasks/${id}/resume`)
      output.say(`resumed task ${id}, next run ${shortInstant(task.next_run_at)} UTC`, task)
    })
}
