import type { ReactNode } from 'react'
import type { Execution } from '../api/model.ts'
import { to } from '../router.ts'
import { duration } from '../text/time.ts'
import { StatusBadge } from '../ui/badge.tsx'
import { At, Elapsed, useNow } from '../ui/now.tsx'

type Scale = (at: number) => string

/** One line for each attempt, on a common scale: the wait since it was due, and the run. */
export function Timeline({ rows, current }: { rows: Execution[]; current: number }) {
  const now = useNow()
  const from = Math.min(...rows.map(({ due_at }) => Date.parse(due_at)))
  const until = Math.max(...rows.map((row) => endOf(row, now)), from + 1)
  const scale: Scale = (at) => `${Math.min(100, Math.max(0, ((at - from) / (until - from)) * 100))}%`
  return (
    <ol className="timeline">
      {rows.map((row) => (
        <li key={row.id} className={row.id === current ? 'current' : undefined}>
          <div className="timeline-head">
            <a href={to(`/executions/${row.id}`)} aria-current={row.id === current ? 'true' : undefined}>
              Attempt {row.attempt}
            </a>
            <StatusBadge status={row.status} />
          </div>
          <Lane row={row} now={now} scale={scale} />
          <Steps row={row} />
        </li>
      ))}
    </ol>
  )
}

const endOf = ({ finished_at }: Execution, now: number): number =>
  finished_at ? Date.parse(finished_at) : now

function Lane({ row, now, scale }: { row: Execution; now: number; scale: Scale }) {
  const started = row.started_at ? Date.parse(row.started_at) : null
  const end = endOf(row, now)
  const between = (from: number, to: number) => ({ left: scale(from), right: `calc(100% - ${scale(to)})` })
  return (
    <div className="lane" aria-hidden="true">
      <i className="wait" style={between(Date.parse(row.due_at), started ?? end)} />
      {started !== null && <i className={`run tone-${row.status}`} style={between(started, end)} />}
    </div>
  )
}

function Steps({ row }: { row: Execution }) {
  const { due_at, started_at, finished_at, cancel_requested_at, status } = row
  return (
    <ol className="steps">
      <Step name="Due">
        <At at={due_at} />
      </Step>
      {started_at && (
        <Step name="Started" note={waited(row, started_at)}>
          <At at={started_at} />
        </Step>
      )}
      {cancel_requested_at && (
        <Step name="Asked to stop">
          <At at={cancel_requested_at} />
        </Step>
      )}
      {finished_at ? (
        <Step
          name="Ended"
          note={row.duration_ms === null ? 'without a start' : `took ${duration(row.duration_ms)}`}
        >
          <At at={finished_at} />
        </Step>
      ) : (
        <Step name={status === 'running' ? 'Running' : 'Waiting'}>
          {started_at ? <Elapsed since={started_at} /> : 'for its time, or for a slot'}
        </Step>
      )}
    </ol>
  )
}

const Step = ({ name, note, children }: { name: string; note?: string; children: ReactNode }) => (
  <li>
    <span className="quiet">{name}</span> {children} {note && <span className="quiet">({note})</span>}
  </li>
)

const WAITED: Record<string, string> = {
  no_place: 'waited for a slot',
  retry_share: 'waited for a slot for retries',
  database: 'waited for the database',
  catch_up: 'missed earlier',
}

function waited({ due_at, late_reason }: Execution, startedAt: string): string {
  const ms = Math.max(0, Date.parse(startedAt) - Date.parse(due_at))
  return `${duration(ms)} after it was due${late_reason ? `: ${WAITED[late_reason]}` : ''}`
}
