import type * as z from 'zod'
import type { workerOut } from '../shared/workers/list.ts'
import type { AddCommands } from './options.ts'
import { shortInstant } from './output.ts'

type Worker = z.output<typeof workerOut>

const NAMED = 3

const columns = [
  { title: 'HOST', flexible: true, cell: (it: Worker) => it.host },
  { title: 'VERSION', cell: (it: Worker) => it.version },
  { title: 'SINCE (UTC)', cell: (it: Worker) => shortInstant(it.started_at) },
  { title: 'LAST TICK (UTC)', cell: (it: Worker) => shortInstant(it.last_tick_at) },
  { title: 'SLOTS', right: true, cell: (it: Worker) => `${it.running}/${it.slots}` },
  { title: 'RUNS', flexible: true, cell: namesOf },
] as const

function namesOf({ running, executions }: Worker): string {
  const named = executions.slice(0, NAMED).map(({ task_id, task_name }) => `${task_name} (${task_id})`)
  const left = running - named.length
  return [...named, ...(left > 0 ? [`${left} more`] : [])].join(', ') || '-'
}

export const addWorkerCommands: AddCommands = (program, session) => {
  program
    .command('workers')
    .description('list the workers and what they run')
    .action(async () => {
      const { api, output } = session()
      output.table([...columns], await api.list<Worker>('/workers'), 'no worker has been seen lately')
    })
}
