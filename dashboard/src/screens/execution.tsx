import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { cancelExecution, rerunExecution, useDo } from '../api/actions.ts'
import { live } from '../api/live.ts'
import type { Execution, LinkedExecution } from '../api/model.ts'
import { getExecution, listExecutions } from '../api/requests.ts'
import { go, to } from '../router.ts'
import { useRefusal } from '../session.tsx'
import { duration, utcTime, ZONE } from '../text/time.ts'
import { isFailure, lateWords, skipWords } from '../text/words.ts'
import { StatusBadge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { Copy, CopyBlock } from '../ui/copy.tsx'
import { Head } from '../ui/head.tsx'
import { At, Elapsed } from '../ui/now.tsx'
import type { Page } from '../ui/pages.ts'
import { Failure, Panel, Skeleton } from '../ui/states.tsx'
import { Timeline } from './timeline.tsx'

const isOpen = ({ status }: Execution): boolean => status === 'running' || status === 'queued'

export function ExecutionScreen({ id }: { id: number }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['execution', id],
    queryFn: () => getExecution(id),
    refetchInterval: live<LinkedExecution>(isOpen),
  })
  if (error && !data) return <Failure isPage error={error} retry={refetch} />
  if (!data) return <Skeleton rows={8} />
  return <Loaded execution={data} />
}

function Loaded({ execution }: { execution: LinkedExecution }) {
  const perform = useDo()
  const refusal = useRefusal()
  const { id, task_id, task_name: name, status } = execution
  const rerun = async () => {
    const started = await perform(() => rerunExecution(id), 'Started')
    if (started) go(to(`/executions/${started.id}`))
  }
  return (
    <>
      <Head
        title={`Execution ${id}`}
        above={
          <>
            <a href={to('/tasks')}>Tasks</a> <span aria-hidden="true">/</span>{' '}
            <a href={to(`/tasks/${task_id}`)}>{name}</a>
          </>
        }
        actions={
          isOpen(execution) ? (
            <Button
              icon="stop"
              kind="danger"
              refused={refusal('run')}
              disabled={execution.cancel_requested_at !== null}
              onClick={() => perform(() => cancelExecution(id), 'It is asked to stop')}
            >
              {execution.cancel_requested_at ? 'Asked to stop' : 'Cancel'}
            </Button>
          ) : (
            <Button icon="rerun" kind="primary" refused={refusal('run')} onClick={rerun}>
              Rerun
            </Button>
          )
        }
      >
        <p className="head-line">
          <StatusBadge status={status} />
          {status === 'running' && execution.started_at ? (
            <span>
              for <Elapsed since={execution.started_at} />
            </span>
          ) : (
            execution.duration_ms !== null && (
              <span className="num">in {duration(execution.duration_ms)}</span>
            )
          )}
          {execution.attempt > 1 && <span className="quiet">attempt {execution.attempt}</span>}
          <span className="quiet">{TRIGGERS[execution.trigger]}</span>
        </p>
      </Head>
      <Why execution={execution} />
      <Attempts execution={execution} />
      <div className="columns">
        {execution.result !== null && (
          <Panel title="Result">
            <CopyBlock text={JSON.stringify(execution.result, null, 2)} label="Copy the result" />
          </Panel>
        )}
        <Panel title="Details">
          <Details execution={execution} name={name} />
        </Panel>
      </div>
    </>
  )
}

const TRIGGERS: Record<string, string> = {
  schedule: 'by its schedule',
  manual: 'by hand',
  rerun: 'as a rerun',
}

/** Says in words what is worth knowing about how it went. */
function Why({ execution }: { execution: Execution }) {
  const { status, detail, error_code } = execution
  const late = lateWords(execution)
  return (
    <>
      {isFailure(status) && (
        <div className="note bad">
          <p className="note-title">
            Why it {status === 'timeout' ? 'timed out' : status === 'lost' ? 'was lost' : 'failed'}
          </p>
          <pre className="detail">{detail ?? 'The runner gave no reason.'}</pre>
          <p className="quiet">
            {adviceOf(execution)} <a href={to(`/tasks/${execution.task_id}/edit`)}>Edit the task</a>
            {error_code && (
              <>
                {' '}
                · error code <code>{error_code}</code>
              </>
            )}
          </p>
        </div>
      )}
      {status === 'skipped' && (
        <div className="note">
          <p className="note-title">Why it did not run</p>
          <p>{skipWords(execution)}</p>
          {(execution.skipped_count ?? 1) > 1 && execution.skipped_until && (
            <p className="quiet">
              This row stands for {execution.skipped_count?.toLocaleString()} occurrences, the last one due{' '}
              <At at={execution.skipped_until} />.
            </p>
          )}
        </div>
      )}
      {!isFailure(status) && status !== 'skipped' && detail && (
        <div className="note">
          <p>{detail}</p>
        </div>
      )}
      {late && (
        <div className="note warn-note">
          <p>{late}</p>
        </div>
      )}
    </>
  )
}

/** What to do, by error code. The codes are explained in docs/concepts.md. */
const ADVICE: Record<string, string> = {
  timeout: 'It ran longer than its timeout. Raise the timeout, or make it faster.',
  lost: 'Its worker went silent: it crashed, was cut off, or stood still for longer than the lease. Another attempt follows by itself.',
  http_status: 'The target said no. Look at its log, or expect this status.',
  dns: 'There is no such host. Check the URL.',
  refused: 'Nothing listens there. Is the service up, and the port right?',
  reset: 'The target hung up before it had responded. Did it crash or restart? Look at its log.',
  unreachable: 'No connection came about in time. Check the network, and any firewall in between.',
  tls: 'The connection was not secure. Is the certificate valid, trusted and made for this host?',
  bad_params: "The task's params are invalid for its type.",
  unknown_type: 'Its worker does not know this type of task. Does it run an older version?',
  unwritable: 'It ran, but the database rejected what it returned.',
}

/** Older rows have no code, but their status may be one. */
const adviceOf = ({ error_code, status }: Execution): string =>
  ADVICE[error_code ?? status] ?? 'Mend the cause, and then rerun it.'

/** The end of a window that has this time only, since windows don't include their ends. */
const after = (at: string): string => new Date(Date.parse(at) + 1).toISOString()

/** All attempts at the same occurrence. */
function Attempts({ execution }: { execution: Execution }) {
  const { task_id, scheduled_for, id } = execution
  const { data } = useQuery({
    queryKey: ['executions', 'attempts', task_id, scheduled_for],
    queryFn: () =>
      listExecutions(
        { task_id, scheduled_from: scheduled_for, scheduled_to: after(scheduled_for) },
        null,
        100,
      ),
    refetchInterval: live<Page<Execution>>(({ rows }) => rows.some(isOpen)),
    enabled: execution.status !== 'skipped',
  })
  if (execution.status === 'skipped') return null
  const found = data?.rows ?? []
  const rows = (
    found.some((row) => row.id === id) ? found.map((row) => (row.id === id ? execution : row)) : [execution]
  ).toSorted((a, b) => a.attempt - b.attempt || a.id - b.id)
  return (
    <Panel title={rows.length > 1 ? `Timeline of ${rows.length} attempts` : 'Timeline'}>
      <Timeline rows={rows} current={id} />
    </Panel>
  )
}

/** A link to another system, which must not learn from which page one came. */
const Elsewhere = ({ name, url }: { name: string; url: string }) => (
  <Detail name={name}>
    <a href={url} target="_blank" rel="noreferrer">
      Open {new URL(url).host}
    </a>
  </Detail>
)

function Details({ execution, name }: { execution: LinkedExecution; name: string }) {
  const { id, task_id, scheduled_for, due_at, started_at, finished_at, rerun_of, log_url, trace_url } =
    execution
  return (
    <dl className="settings">
      <Detail name="Task">
        <a href={to(`/tasks/${task_id}`)}>{name}</a>
      </Detail>
      <Detail name="Execution id">
        <Id value={id} what="execution" />
      </Detail>
      <Detail name="Task id">
        <Id value={task_id} what="task" />
      </Detail>
      {log_url && <Elsewhere name="Log" url={log_url} />}
      {trace_url && <Elsewhere name="Trace" url={trace_url} />}
      <Instant name="Scheduled for" at={scheduled_for} />
      {due_at !== scheduled_for && <Instant name="Due" at={due_at} />}
      {started_at && <Instant name="Started" at={started_at} />}
      {finished_at && <Instant name="Ended" at={finished_at} />}
      {rerun_of !== null && (
        <Detail name="Rerun of">
          <a href={to(`/executions/${rerun_of}`)}>Execution {rerun_of}</a>
        </Detail>
      )}
    </dl>
  )
}

const Detail = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
)

/** A time on both clocks, unless they are the same. */
const Instant = ({ name, at }: { name: string; at: string }) => (
  <Detail name={name}>
    {ZONE === 'UTC' ? (
      <span className="num">{utcTime(at)}</span>
    ) : (
      <>
        <At at={at} /> <span className="quiet num">· {utcTime(at)}</span>
      </>
    )}
  </Detail>
)

const Id = ({ value, what }: { value: number; what: string }) => (
  <span className="num">
    {value} <Copy text={String(value)} label={`Copy the ${what}'s id`} />
  </span>
)
