import { useQuery } from '@tanstack/react-query'
import { live } from '../api/live.ts'
import type { Execution, Task, Worker } from '../api/model.ts'
import { listExecutions, listTasks, listUpcoming, listWorkers } from '../api/requests.ts'
import { to } from '../router.ts'
import { scheduleWords } from '../text/words.ts'
import { Head } from '../ui/head.tsx'
import { Ago, Due, Elapsed } from '../ui/now.tsx'
import type { Page } from '../ui/pages.ts'
import { Failure, Panel, Skeleton } from '../ui/states.tsx'
import { Attention } from './attention.tsx'
import { StatsPanels } from './stats.tsx'
import { NoTasks } from './tasks.tsx'

const SHOWN = 8

export function Overview() {
  const any = useQuery({
    queryKey: ['any-task'],
    queryFn: () => listTasks({}, null, 1),
    refetchInterval: live(),
  })
  if (any.isPending) return <Skeleton rows={8} />
  if (any.error && !any.data) return <Failure isPage error={any.error} retry={any.refetch} />
  const isEmpty = any.data?.rows.length === 0
  return (
    <>
      <Head title="Overview" />
      {isEmpty ? (
        <Panel title="Start here">
          <NoTasks />
        </Panel>
      ) : (
        <>
          <Attention />
          <StatsPanels since={any.data?.rows[0]?.created_at} />
          <div className="columns">
            <div className="stack">
              <RunningNow />
              <Workers />
            </div>
            <UpNext />
          </div>
        </>
      )}
    </>
  )
}

function RunningNow() {
  const { data, error, refetch } = useQuery({
    queryKey: ['executions', 'running'],
    queryFn: () => listExecutions({ status: 'running' }, null, 50),
    refetchInterval: live<Page<Execution>>(({ rows }) => rows.length > 0),
  })
  const more = data && (data.rows.length > SHOWN || data.next !== null)
  return (
    <Panel
      title="Running now"
      aside={
        more && (
          <a href={to('/executions', { status: 'running' })}>
            {data.next ? 'All' : `All ${data.rows.length}`}
          </a>
        )
      }
    >
      {error && !data ? (
        <Failure error={error} retry={refetch} />
      ) : !data ? (
        <Skeleton />
      ) : data.rows.length === 0 ? (
        <p className="nothing">Nothing runs at the moment.</p>
      ) : (
        <ul className="lines">
          {data.rows.slice(0, SHOWN).map((execution) => (
            <li key={execution.id}>
              <a className="strong clip" href={to(`/executions/${execution.id}`)}>
                {execution.task_name}
              </a>
              <span className="quiet">{execution.attempt > 1 && `attempt ${execution.attempt}`}</span>
              <span className="line-end">
                {execution.started_at && <Elapsed since={execution.started_at} />}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

function UpNext() {
  const { data, error, refetch } = useQuery({
    queryKey: ['upcoming'],
    queryFn: () => listUpcoming(SHOWN),
    refetchInterval: live<Task[]>(
      ([first]) =>
        first !== undefined &&
        first.next_run_at !== null &&
        Date.parse(first.next_run_at) - Date.now() < 5000,
    ),
  })
  return (
    <Panel title="Next" aside={<a href={to('/tasks', { sort: 'next_run_at.asc' })}>All tasks</a>}>
      {error && !data ? (
        <Failure error={error} retry={refetch} />
      ) : !data ? (
        <Skeleton />
      ) : data.length === 0 ? (
        <p className="nothing">No task is due: all are paused or have ended.</p>
      ) : (
        <ul className="lines">
          {data.map((task) => (
            <li key={task.id}>
              <a className="strong clip" href={to(`/tasks/${task.id}`)}>
                {task.name}
              </a>
              <span className="quiet clip from-s">{scheduleWords(task)}</span>
              <span className="line-end">
                {task.next_run_at && <Due at={task.next_run_at} task={task} />}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

function Workers() {
  const { data, error } = useQuery({
    queryKey: ['workers'],
    queryFn: listWorkers,
    refetchInterval: live<Worker[]>((all) => all.some(({ running }) => running > 0)),
  })
  if (error && !data) return null
  return (
    <Panel
      title="Workers"
      aside={
        data && (
          <span className="quiet num">{`${data.length} ${data.length === 1 ? 'process' : 'processes'}`}</span>
        )
      }
    >
      {!data ? (
        <Skeleton />
      ) : data.length === 0 ? (
        <p className="nothing">
          No worker has reported. Tasks run only while one does: check SCHEDULER_ENABLE, and the log.
        </p>
      ) : (
        <div className="scroll-x">
          <table className="table plain">
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">Slots</th>
                <th scope="col">Last tick</th>
                <th scope="col">Up for</th>
                <th scope="col">Version</th>
              </tr>
            </thead>
            <tbody>
              {data.map((worker) => (
                <tr key={worker.id}>
                  <td>
                    <div className="two-lines">
                      <span className="strong clip">{worker.host}</span>
                      <span className="quiet">{worker.runtime}</span>
                    </div>
                  </td>
                  <td>
                    <Slots used={worker.running} of={worker.slots} />
                  </td>
                  <td>{worker.last_tick_at ? <Ago at={worker.last_tick_at} /> : '–'}</td>
                  <td>
                    <Elapsed since={worker.started_at} />
                  </td>
                  <td className="num">{worker.version}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

const Slots = ({ used, of }: { used: number; of: number }) => (
  <span className="slots">
    <meter min={0} max={of} value={used} aria-label="Slots in use" />
    <span className="num">
      {used} / {of}
    </span>
  </span>
)
