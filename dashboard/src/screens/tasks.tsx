import { useEffect, useMemo, useState } from 'react'
import type { Task } from '../api/model.ts'
import { listTasks, type Query } from '../api/requests.ts'
import { taskTypes } from '../api/task-types.ts'
import { to, useFilters } from '../router.ts'
import { duration } from '../text/time.ts'
import { scheduleWords, stateWord, TASK_STATES } from '../text/words.ts'
import { StateBadge, StatusBadge } from '../ui/badge.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Active, Chips, Search } from '../ui/filters.tsx'
import { Head } from '../ui/head.tsx'
import { Menu, MenuOnDemand } from '../ui/menu.tsx'
import { Ago, Due } from '../ui/now.tsx'
import { Outcomes } from '../ui/outcomes.tsx'
import { usePages } from '../ui/pages.ts'
import { Message } from '../ui/states.tsx'
import { BulkBar } from './bulk-bar.tsx'
import { useTaskActions } from './task-actions.tsx'

const STATE_OPTIONS = TASK_STATES.map((value) => ({ value, label: stateWord(value) }))
const TYPE_OPTIONS = Object.keys(taskTypes).map((value) => ({ value, label: value }))

export function Tasks() {
  const [query, set] = useFilters()
  const filter = filterOf(query)
  const isSought = query.has('find')
  // biome-ignore lint/correctness/useExhaustiveDependencies: `set` is new at each render
  useEffect(() => {
    if (isSought) set({ find: null })
  }, [isSought])
  return (
    <>
      <Head title="Tasks" />
      <div className="filters">
        <Search
          label="Search tasks by name"
          placeholder="Search by name"
          value={query.get('search') ?? ''}
          onChange={(search) => set({ search })}
          focus={isSought}
        />
        <Chips label="State" name="state" options={STATE_OPTIONS} query={query} set={set} />
        <Chips label="Type" name="type" options={TYPE_OPTIONS} query={query} set={set} single />
        <Sort query={query} set={set} />
        <Active
          filters={['tag'].flatMap((name) =>
            query.get(name) ? [{ name, label: `${name}: ${query.get(name)}` }] : [],
          )}
          set={set}
        />
      </div>
      <TaskTable key={JSON.stringify([filter, sortOf(query)])} filter={filter} sort={sortOf(query)} />
    </>
  )
}

const FILTERS = ['search', 'state', 'type', 'tag'] as const

/** The part of the address that chooses tasks. Its names are the API's. */
const filterOf = (query: URLSearchParams): Query =>
  Object.fromEntries(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])))

const sortOf = (query: URLSearchParams): Query => {
  const [sort, order] = (query.get('sort') ?? '').split('.')
  return sort && order ? { sort, order } : {}
}

const SORTS = [
  ['', 'Oldest first'],
  ['id.desc', 'Newest first'],
  ['name.asc', 'Name'],
  ['next_run_at.asc', 'Next run'],
  ['last_run.desc', 'Last run'],
] as const

const Sort = ({ query, set }: { query: URLSearchParams; set: (change: { sort: string }) => void }) => (
  <label className="sort">
    <span>Sort</span>
    <select value={query.get('sort') ?? ''} onChange={(event) => set({ sort: event.target.value })}>
      {SORTS.map(([value, label]) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </select>
  </label>
)

const isBusy = (task: Task): boolean => task.running

function TaskTable({ filter, sort }: { filter: Query; sort: Query }) {
  const [selected, setSelected] = useState<ReadonlyMap<number, string>>(new Map())
  const pages = usePages<Task>(
    ['tasks', filter, sort],
    (cursor) => listTasks({ ...filter, ...sort }, cursor),
    isBusy,
  )
  const hasFilter = Object.keys(filter).length > 0
  const columns = useMemo(() => {
    const toggle = ({ id, name }: Task) =>
      setSelected((before) => {
        const next = new Map(before)
        if (!next.delete(id)) next.set(id, name)
        return next
      })
    return [checkboxes(selected, toggle), ...COLUMNS]
  }, [selected])
  return (
    <>
      {pages.loaded > 0 && (
        <BulkBar
          selected={selected}
          clear={() => setSelected(new Map())}
          filter={filter}
          shown={pages.loaded}
          isComplete={pages.isComplete}
        />
      )}
      <DataTable
        label="Tasks"
        columns={columns}
        pages={pages}
        idOf={({ id }) => id}
        isSelected={({ id }) => selected.has(id)}
        empty={hasFilter ? <NoMatch /> : <NoTasks />}
      />
    </>
  )
}

const checkboxes = (selected: ReadonlyMap<number, string>, toggle: (task: Task) => void): Column<Task> => ({
  id: 'select',
  title: <span className="unseen">Selected</span>,
  className: 'w-check',
  cell: (task) => (
    <input
      type="checkbox"
      aria-label={`Select ${task.name}`}
      checked={selected.has(task.id)}
      onChange={() => toggle(task)}
    />
  ),
})

const COLUMNS: Column<Task>[] = [
  { id: 'state', title: 'State', className: 'w-state', cell: (task) => <StateBadge state={task.state} /> },
  {
    id: 'name',
    title: 'Name',
    className: 'w-name',
    cell: (task) => (
      <div className="two-lines">
        <a href={to(`/tasks/${task.id}`)} className="strong" title={task.name}>
          {task.name}
        </a>
        <span className="quiet">
          {task.type}
          {task.tags.map((tag) => (
            <a key={tag} className="tag" href={to('/tasks', { tag })}>
              {tag}
            </a>
          ))}
        </span>
      </div>
    ),
  },
  {
    id: 'schedule',
    title: 'Schedule',
    className: 'w-schedule from-l',
    cell: (task) => (
      <div className="two-lines">
        <span title={task.cron_expression ?? undefined}>{scheduleWords(task)}</span>
        {task.schedule_type === 'cron' && <span className="quiet">{task.timezone}</span>}
      </div>
    ),
  },
  {
    id: 'recent',
    title: 'Last runs',
    className: 'w-recent from-m',
    cell: ({ recent }) => <Outcomes recent={recent} />,
  },
  { id: 'last', title: 'Last run', className: 'w-last from-xl', cell: (task) => <LastRun task={task} /> },
  {
    id: 'next',
    title: 'Next run',
    className: 'w-next from-s',
    cell: (task) =>
      task.paused_at ? (
        <span className="quiet">paused</span>
      ) : task.next_run_at ? (
        <Due at={task.next_run_at} task={task} />
      ) : (
        <span className="quiet">–</span>
      ),
  },
  {
    id: 'actions',
    title: <span className="unseen">Actions</span>,
    className: 'w-actions',
    cell: (task) => <RowMenu task={task} />,
  },
]

function LastRun({ task: { last_execution } }: { task: Task }) {
  if (!last_execution) return <span className="quiet">–</span>
  const { id, status, finished_at, duration_ms } = last_execution
  return (
    <div className="two-lines">
      <a href={to(`/executions/${id}`)}>
        <StatusBadge status={status} />
      </a>
      <span className="quiet">
        {finished_at && <Ago at={finished_at} />}{' '}
        {duration_ms !== null && <span className="num">· {duration(duration_ms)}</span>}
      </span>
    </div>
  )
}

function RowMenu({ task }: { task: Task }) {
  const label = `Actions for ${task.name}`
  return <MenuOnDemand label={label}>{() => <OpenRowMenu task={task} label={label} />}</MenuOnDemand>
}

function OpenRowMenu({ task, label }: { task: Task; label: string }) {
  const { items, dialogs } = useTaskActions(task)
  return (
    <>
      <Menu label={label} items={items} defaultOpen />
      {dialogs}
    </>
  )
}

const NoMatch = () => (
  <Message
    title="No task matches"
    actions={
      <a className="button" href={to('/tasks')}>
        Show all tasks
      </a>
    }
  >
    Take a filter off, or search for another part of the name.
  </Message>
)

export const NoTasks = () => (
  <Message
    title="No tasks yet"
    actions={
      <a className="button primary" href={to('/tasks/new')}>
        Create the first task
      </a>
    }
  >
    A task is something to do, such as an HTTP call, and when to do it: at an interval, once, or on a cron
    schedule. Every run is recorded here.
  </Message>
)
