import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { countHit, doToAll, useDo } from '../api/actions.ts'
import type { Query } from '../api/requests.ts'
import { type Query as Change, useFilters } from '../router.ts'
import { useRefusal } from '../session.tsx'
import { plural, STATUSES, statusWord } from '../text/words.ts'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/confirm.tsx'
import { Active, Chips, Search } from '../ui/filters.tsx'
import { Head } from '../ui/head.tsx'
import { ExecutionTable } from './execution-table.tsx'

const STATUS_OPTIONS = STATUSES.map((value) => ({ value, label: statusWord(value) }))

/** Names in the address, which are the API's own, and how a chip says them. */
const OTHERS = {
  tag: 'tag',
  error_code: 'error',
  trigger: 'trigger',
  task_id: 'task',
  min_late_ms: 'late by ms',
  min_duration_ms: 'took ms',
} as const

const HOUR_MS = 3_600_000

const SINCE = [
  ['', 'Any time'],
  ['1', 'Last hour'],
  ['12', 'Last 12 hours'],
  ['24', 'Last 24 hours'],
  ['168', 'Last 7 days'],
] as const

/** A relative time would make a new address at each render. A minute is exact enough. */
const hoursAgo = (hours: number): string =>
  new Date(Math.floor(Date.now() / 60_000) * 60_000 - hours * HOUR_MS).toISOString()

const OPEN = ['running', 'queued']

/** Which time the window means: when they ended, or, if only open ones are asked for, when they were due. */
function windowName(query: URLSearchParams): 'finished' | 'scheduled' {
  const statuses = (query.get('status') ?? '').split(',').filter(Boolean)
  return statuses.length > 0 && statuses.every((status) => OPEN.includes(status)) ? 'scheduled' : 'finished'
}

export function Executions() {
  const [query, set] = useFilters()
  const filter = filterOf(query)
  return (
    <>
      <Head title="Executions" actions={<RerunAll filter={filter} />} />
      <div className="filters">
        <Search
          label="Task name starts with"
          placeholder="Task name starts with"
          value={query.get('task_name_prefix') ?? ''}
          onChange={(value) => set({ task_name_prefix: value })}
        />
        <When query={query} set={set} />
        <Chips label="Status" name="status" options={STATUS_OPTIONS} query={query} set={set} />
        <Active
          filters={Object.entries(OTHERS).flatMap(([name, label]) =>
            query.get(name) ? [{ name, label: `${label} ${query.get(name)}` }] : [],
          )}
          set={set}
        />
      </div>
      <ExecutionTable key={JSON.stringify(filter)} filter={filter} />
    </>
  )
}

/** The part of the address that chooses executions, in the words of the API. */
function filterOf(query: URLSearchParams): Query {
  const hours = Number(query.get('hours'))
  const from = hours > 0 ? hoursAgo(hours) : instant(query.get('from'))
  const name = windowName(query)
  const window = { [`${name}_from`]: from, [`${name}_to`]: instant(query.get('to')) }
  const names = ['status', 'task_name_prefix', ...Object.keys(OTHERS)]
  const named = Object.fromEntries(names.map((it) => [it, query.get(it) || undefined]))
  return Object.fromEntries(
    Object.entries({ ...named, ...window }).filter(([, value]) => value !== undefined),
  )
}

/** Reads a local time of the address. A time that isn't one is no filter. */
function instant(text: string | null): string | undefined {
  const at = text ? new Date(text) : undefined
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined
}

function When({ query, set }: { query: URLSearchParams; set: (change: Change) => void }) {
  const isExact = query.has('from') || query.has('to')
  return (
    <fieldset className="when">
      <legend className="unseen">When</legend>
      <select
        aria-label="When it ended"
        value={isExact ? 'exact' : (query.get('hours') ?? '')}
        onChange={({ target: { value } }) =>
          set(
            value === 'exact'
              ? { hours: null, from: lastNight(), to: '' }
              : { hours: value, from: null, to: null },
          )
        }
      >
        {SINCE.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
        <option value="exact">From … to …</option>
      </select>
      {isExact && (
        <>
          <input
            type="datetime-local"
            aria-label="From"
            value={query.get('from') ?? ''}
            onChange={(event) => set({ from: event.target.value })}
          />
          <span aria-hidden="true">–</span>
          <input
            type="datetime-local"
            aria-label="To"
            value={query.get('to') ?? ''}
            onChange={(event) => set({ to: event.target.value })}
          />
        </>
      )}
    </fieldset>
  )
}

/** Yesterday, 18:00: where most questions about the night begin. */
function lastNight(): string {
  const at = new Date()
  at.setDate(at.getDate() - 1)
  const date = [at.getFullYear(), at.getMonth() + 1, at.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-')
  return `${date}T18:00`
}

function RerunAll({ filter }: { filter: Query }) {
  const [isAsked, setAsked] = useState(false)
  const refusal = useRefusal()
  return (
    <>
      <Button icon="rerun" refused={refusal('run')} onClick={() => setAsked(true)}>
        Rerun all that match…
      </Button>
      {isAsked && <RerunDialog filter={filter} onClose={() => setAsked(false)} />}
    </>
  )
}

const willRun = (tasks: number): string =>
  tasks === 0
    ? 'No execution matches.'
    : `The newest matching execution of ${plural(tasks, 'task')} runs again.`

const hasRun = (tasks: number, open: number): string =>
  `${plural(tasks, 'task')} started again${open > 0 ? `; ${plural(open, 'task')} left out, already open` : ''}`

function RerunDialog({ filter, onClose }: { filter: Query; onClose: () => void }) {
  const perform = useDo()
  const { data, error } = useQuery({
    queryKey: ['dry-run', 'rerun', filter],
    queryFn: () => countHit('rerun', filter),
    gcTime: 0,
  })
  return (
    <Confirm
      title="Rerun all that match?"
      verb={data ? `Rerun ${plural(data.matched, 'task')}` : 'Rerun'}
      isReady={data !== undefined && data.matched > 0}
      onClose={onClose}
      onConfirm={() =>
        perform(
          () => doToAll('rerun', filter),
          ({ changed, open }) => hasRun(changed, open),
        )
      }
    >
      <p aria-live="polite">{error ? error.message : data ? willRun(data.matched) : 'Counting…'}</p>
      <p className="quiet">
        Each task runs again once, as it is defined now. A task that has an open execution is left out.
      </p>
    </Confirm>
  )
}
