import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { bodyOf, client } from '../api/client.ts'
import { live } from '../api/live.ts'
import type { Execution, Task } from '../api/model.ts'
import { getTask, listExecutions } from '../api/requests.ts'
import { go, to, useFilters } from '../router.ts'
import { duration, ZONE } from '../text/time.ts'
import { pausedItself, plural, STATUSES, scheduleWords, statusWord } from '../text/words.ts'
import { StateBadge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { Chart } from '../ui/chart.tsx'
import { Copy, CopyBlock } from '../ui/copy.tsx'
import { Chips } from '../ui/filters.tsx'
import { Head } from '../ui/head.tsx'
import { Menu } from '../ui/menu.tsx'
import { Ago, At, Due, useNow } from '../ui/now.tsx'
import { Outcomes } from '../ui/outcomes.tsx'
import type { Page } from '../ui/pages.ts'
import { Failure, Message, Panel, Skeleton } from '../ui/states.tsx'
import { curlOf, definitionOf } from './definition.ts'
import { ExecutionTable } from './execution-table.tsx'
import { useTaskActions } from './task-actions.tsx'

export function TaskScreen({ id }: { id: number }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['task', id],
    queryFn: () => getTask(id),
    refetchInterval: live<Task>((task) => task.running || isSoon(task)),
  })
  if (error && !data) return <Failure isPage error={error} retry={refetch} />
  if (!data) return <Skeleton rows={8} />
  return <Loaded task={data} />
}

const SOON_MS = 5000
const isSoon = ({ next_run_at }: Task): boolean =>
  next_run_at !== null && Date.parse(next_run_at) - Date.now() < SOON_MS

function Loaded({ task }: { task: Task }) {
  const { items, dialogs, run, resume, pause, refusal } = useTaskActions(task, () => go(to('/tasks')))
  const rest = items.filter(({ label }) => !['Run now', 'Pause…', 'Resume', 'Edit'].includes(label))
  return (
    <>
      <Head
        title={task.name}
        above={<a href={to('/tasks')}>Tasks</a>}
        actions={
          <>
            <Button icon="play" kind="primary" refused={refusal('run')} onClick={run}>
              Run now
            </Button>
            {task.paused_at ? (
              <Button icon="play" refused={refusal('write')} onClick={resume}>
                Resume
              </Button>
            ) : (
              <Button icon="pause" refused={refusal('write')} onClick={pause}>
                Pause
              </Button>
            )}
            <Button icon="edit" refused={refusal('write')} onClick={() => go(to(`/tasks/${task.id}/edit`))}>
              Edit
            </Button>
            <Menu label="More actions" items={rest} />
          </>
        }
      >
        <p className="head-line">
          <StateBadge state={task.state} />
          <span>{scheduleWords(task)}</span>
          {task.schedule_type === 'cron' && <span className="quiet">{task.timezone}</span>}
          {task.tags.map((tag) => (
            <a key={tag} className="tag" href={to('/tasks', { tag })}>
              {tag}
            </a>
          ))}
        </p>
        {task.description && <p className="quiet">{task.description}</p>}
      </Head>
      {task.paused_at && <Paused task={task} />}
      <Facts task={task} />
      <div className="columns">
        <NextRuns task={task} />
        <RunCharts task={task} />
      </div>
      <Definition task={task} />
      <TaskExecutions task={task} />
      {dialogs}
    </>
  )
}

const Paused = ({ task }: { task: Task }) => (
  <div className={`note ${pausedItself(task) ? 'bad' : ''}`}>
    <p>
      <strong>{pausedItself(task) ? 'The scheduler has paused this task' : 'Paused'}</strong>{' '}
      {task.paused_at && <Ago at={task.paused_at} />}
      {task.pause_reason && <>: {task.pause_reason}</>}
      {task.paused_until && (
        <>
          {' '}
          · resumes <Ago at={task.paused_until} />
        </>
      )}
    </p>
    {pausedItself(task) && (
      <p className="quiet">See below why its runs failed, mend that, and then resume it.</p>
    )}
  </div>
)

function Facts({ task }: { task: Task }) {
  const { last_execution: last, recent, consecutive_failures: failures, pause_after_failures: limit } = task
  return (
    <dl className="facts">
      <Fact name="Next run">
        <NextRun task={task} />
      </Fact>
      {last?.finished_at && (
        <Fact name="Last run">
          <a href={to(`/executions/${last.id}`)}>
            {statusWord(last.status)} <Ago at={last.finished_at} />
          </a>
        </Fact>
      )}
      <Fact name="Last runs">
        <Outcomes recent={recent} />
      </Fact>
      <Fact name="Runs">
        <span className="num">
          {task.runs.toLocaleString()}
          {task.max_runs !== null && ` of ${task.max_runs.toLocaleString()}`}
        </span>
      </Fact>
      {failures > 0 && (
        <Fact name="Failed in a row">
          <span className="num bad-text">
            {failures}
            {limit !== null && ` of ${limit}`}
          </span>
        </Fact>
      )}
      <Fact name="Id">
        <span className="num">
          {task.id} <Copy text={String(task.id)} label="Copy the task's id" />
        </span>
      </Fact>
    </dl>
  )
}

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
)

function NextRun({ task }: { task: Task }) {
  if (task.paused_at) return 'paused'
  return task.next_run_at ? <Due at={task.next_run_at} task={task} /> : 'none'
}

const NEXT_RUNS = 10
const PREVIEW_MS = 10_000

/** The next runs as the API previews them, with what a clock change does to them. */
function NextRuns({ task }: { task: Task }) {
  const { data, error } = useQuery({
    queryKey: ['preview', task.id, task.version],
    queryFn: () => {
      const {
        schedule_type,
        interval_seconds,
        interval_mode,
        cron_expression,
        timezone,
        start_at,
        end_at,
        jitter_seconds,
        name,
      } = task
      const schedule = {
        schedule_type,
        interval_seconds,
        interval_mode,
        timezone,
        start_at,
        end_at,
        name,
        count: NEXT_RUNS,
      }
      const body =
        schedule_type === 'cron'
          ? { ...schedule, cron_expression, jitter_seconds, after: new Date().toISOString() }
          : { ...schedule, next_run_at: task.next_run_at }
      return bodyOf(client.POST('/schedules/preview', { body }))
    },
    enabled: task.paused_at === null && task.next_run_at !== null,
    refetchInterval: PREVIEW_MS,
  })
  const previewed = data?.occurrences.map(({ effective_at, local, note }) => ({
    at: effective_at,
    local,
    note,
  }))
  // The preview refuses what only a stored schedule may have, such as a first run in the past.
  const known = previewed ?? (error ? task.next_runs.map((at) => ({ at, local: null, note: null })) : [])
  const runs = startingWith(task.next_run_at, known, useNow())
  const isFixedDelay = task.schedule_type === 'interval' && task.interval_mode === 'fixed_delay'
  return (
    <Panel title="Next runs">
      {task.paused_at ? (
        <p className="nothing">None while the task is paused.</p>
      ) : task.next_run_at === null ? (
        <p className="nothing">None: the schedule has ended. Run it now, or edit its schedule.</p>
      ) : runs.length === 0 ? (
        <Skeleton />
      ) : (
        <ol className="lines wrapping">
          {runs.map(({ at, local, note }) => (
            <li key={at}>
              <At at={at} />
              {local && task.schedule_type === 'cron' && task.timezone !== ZONE && (
                <span className="quiet num" title={task.timezone}>
                  {local.slice(11, 19)} in {task.timezone}
                </span>
              )}
              {note && <span className="warn">{note}</span>}
              <span className="line-end quiet">
                <Due at={at} task={task} />
              </span>
            </li>
          ))}
          {isFixedDelay && <li className="quiet">Later ones depend on when this run ends.</li>}
        </ol>
      )}
    </Panel>
  )
}

type Run = { at: string; local: string | null; note: string | null }

/** Returns the next run and those after it, without what has passed since the preview. */
function startingWith(next: string | null, known: Run[], now: number): Run[] {
  if (next === null || known.length === 0) return []
  const due = Date.parse(next)
  const first = known.find(({ at }) => Date.parse(at) === due) ?? { at: next, local: null, note: null }
  return [first, ...known.filter(({ at }) => Date.parse(at) > Math.max(due, now))]
}

const CHARTED = 200

const COLOR_OF: Record<string, string> = {
  success: '--success',
  failed: '--failed',
  timeout: '--timeout',
  lost: '--lost',
  cancelled: '--cancelled',
}

/** How long the last runs took, and how late they started: one dot for each. */
function RunCharts({ task }: { task: Task }) {
  const { data } = useQuery({
    queryKey: ['executions', 'charted', task.id],
    queryFn: () => listExecutions({ task_id: task.id }, null, CHARTED),
    refetchInterval: live<Page<Execution>>(() => task.running),
  })
  const runs = (data?.rows ?? [])
    .filter(({ started_at, finished_at }) => started_at && finished_at)
    .toReversed()
  if (data && runs.length === 0)
    return (
      <Panel title="Duration">
        <p className="nothing">Its runs will be drawn here.</p>
      </Panel>
    )
  const at = runs.map(({ started_at }) => Date.parse(started_at ?? '') / 1000)
  const statuses = Object.keys(COLOR_OF).filter((status) => runs.some((run) => run.status === status))
  const took = statuses.map((status) => ({
    label: statusWord(status),
    color: COLOR_OF[status] ?? '--text-2',
    dots: true,
    values: runs.map((run) => (run.status === status ? run.duration_ms : null)),
  }))
  const late = [
    { label: 'Late', color: '--accent', dots: true, values: runs.map(({ late_ms }) => late_ms ?? 0) },
  ]
  const wasLate = runs.some(({ late_ms }) => late_ms !== null)
  const sorted = runs.map((run) => run.duration_ms ?? 0).toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]
  return (
    <Panel
      title="Duration"
      aside={
        <span className="quiet num">
          {runs.length === 1
            ? `1 run, ${duration(median)}`
            : `last ${plural(runs.length, 'run')}, median ${duration(median)}`}
        </span>
      }
    >
      {data ? (
        <>
          <Chart
            summary={`Duration of the last ${runs.length} runs: median ${duration(median)}`}
            at={at}
            series={took}
            format={duration}
          />
          {wasLate ? (
            <figure>
              <figcaption>Lateness</figcaption>
              <Chart
                summary="Lateness of the last runs"
                at={at}
                series={late}
                format={duration}
                height={110}
              />
            </figure>
          ) : (
            <p className="quiet chart-note">None of them started a second or more late.</p>
          )}
        </>
      ) : (
        <Skeleton rows={4} />
      )}
    </Panel>
  )
}

const STATUS_OPTIONS = STATUSES.map((value) => ({ value, label: statusWord(value) }))

function TaskExecutions({ task }: { task: Task }) {
  const [query, set] = useFilters()
  const status = query.get('status') ?? undefined
  const filter = { task_id: task.id, ...(status && { status }) }
  return (
    <Panel title="Executions" className="open">
      <div className="filters">
        <Chips label="Status" name="status" options={STATUS_OPTIONS} query={query} set={set} single />
      </div>
      <ExecutionTable
        key={JSON.stringify(filter)}
        filter={filter}
        ofOneTask
        empty={
          <Message title={status ? 'None with this status' : 'It has not run yet'}>
            {status
              ? 'Choose another status.'
              : 'Its first run appears here by itself. Run it now to see at once whether it works.'}
          </Message>
        }
      />
    </Panel>
  )
}

/** Folded, and above the executions, since their list has no end that one could scroll to. */
const Definition = ({ task }: { task: Task }) => (
  <details className="panel definition">
    <summary className="panel-head">
      <h2>Definition</h2>
      <span className="quiet num">version {task.version}</span>
    </summary>
    <div className="columns">
      <dl className="settings">
        {Object.entries(definitionOf(task)).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <code>{typeof value === 'string' ? value : JSON.stringify(value)}</code>
            </dd>
          </div>
        ))}
      </dl>
      <CopyBlock text={curlOf(definitionOf(task))} label="Copy as curl" />
    </div>
    <p className="panel-foot quiet">
      What is not listed has its default. Created <At at={task.created_at} />, changed{' '}
      <At at={task.updated_at} />.
    </p>
  </details>
)
