import type { ReactNode } from 'react'
import type { Execution } from '../api/model.ts'
import { listExecutions, type Query } from '../api/requests.ts'
import { to } from '../router.ts'
import { duration } from '../text/time.ts'
import { skipWords } from '../text/words.ts'
import { StatusBadge } from '../ui/badge.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { At, Elapsed } from '../ui/now.tsx'
import { usePages } from '../ui/pages.ts'
import { Message } from '../ui/states.tsx'

const isOpen = ({ status }: Execution): boolean => status === 'running' || status === 'queued'

const COLUMNS: Column<Execution>[] = [
  {
    id: 'status',
    title: 'Status',
    className: 'w-state',
    cell: (execution) => (
      <a href={to(`/executions/${execution.id}`)}>
        <StatusBadge status={execution.status} />
        <span className="unseen">, execution {execution.id}</span>
      </a>
    ),
  },
  {
    id: 'task',
    title: 'Task',
    className: 'w-name',
    cell: (execution) => (
      <div className="two-lines">
        <a className="strong" href={to(`/executions/${execution.id}`)}>
          {execution.task_name}
        </a>
        <span className="quiet">{noteOf(execution)}</span>
      </div>
    ),
  },
  { id: 'due', title: 'Due', className: 'w-time', cell: ({ due_at }) => <At at={due_at} /> },
  {
    id: 'late',
    title: 'Late',
    className: 'w-number from-m',
    cell: ({ late_ms }) => (
      <span className={late_ms === null ? 'quiet' : 'num warn'}>
        {late_ms === null ? '–' : duration(late_ms)}
      </span>
    ),
  },
  {
    id: 'duration',
    title: 'Duration',
    className: 'w-number from-s',
    cell: (execution) =>
      execution.status === 'running' && execution.started_at ? (
        <Elapsed since={execution.started_at} />
      ) : (
        <span className="num">{duration(execution.duration_ms)}</span>
      ),
  },
  {
    id: 'trigger',
    title: 'Trigger',
    className: 'w-number from-l',
    cell: ({ trigger, attempt }) => (
      <div className="two-lines">
        <span>{trigger}</span>
        {attempt > 1 && <span className="quiet">attempt {attempt}</span>}
      </div>
    ),
  },
]

/** The line below the name: its id, and why it failed, or why it didn't run. */
function noteOf(execution: Execution): string {
  const reason = reasonOf(execution)
  return reason ? `#${execution.id} · ${reason}` : `#${execution.id}`
}

function reasonOf(execution: Execution): string | null {
  if (execution.status === 'skipped') {
    const count = execution.skipped_count ?? 1
    return count > 1 ? `${count.toLocaleString()} occurrences: ${skipWords(execution)}` : skipWords(execution)
  }
  return execution.detail
}

type Props = { filter: Query; ofOneTask?: boolean; empty?: ReactNode }

/** Executions, newest first. */
export function ExecutionTable({ filter, ofOneTask = false, empty }: Props) {
  const pages = usePages<Execution>(
    ['executions', filter],
    (cursor) => listExecutions(filter, cursor),
    isOpen,
  )
  const columns = ofOneTask ? COLUMNS_OF_ONE : COLUMNS
  return (
    <DataTable
      label="Executions"
      columns={columns}
      pages={pages}
      idOf={({ id }) => id}
      empty={
        empty ?? <Message title="No execution matches">Take a filter off, or choose a longer time.</Message>
      }
    />
  )
}

const DETAIL: Column<Execution> = {
  id: 'task',
  title: 'What happened',
  className: 'w-name',
  cell: (execution) => (
    <a className="clip" href={to(`/executions/${execution.id}`)}>
      {noteOf(execution)}
    </a>
  ),
}

const COLUMNS_OF_ONE = COLUMNS.map((column) => (column.id === 'task' ? DETAIL : column))
