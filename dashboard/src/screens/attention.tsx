import { useQuery } from '@tanstack/react-query'
import { resumeTask, useDo } from '../api/actions.ts'
import { live } from '../api/live.ts'
import type { Task } from '../api/model.ts'
import { listTasks } from '../api/requests.ts'
import { to } from '../router.ts'
import { useRefusal } from '../session.tsx'
import { pausedItself, plural } from '../text/words.ts'
import { StateBadge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icon.tsx'
import { Ago } from '../ui/now.tsx'
import { Outcomes } from '../ui/outcomes.tsx'
import type { Page } from '../ui/pages.ts'
import { Failure, Panel, Skeleton } from '../ui/states.tsx'

const SHOWN = 6
const ASKED = 100

/** Tasks that the scheduler has paused, and then those that fail or are late. */
async function listTroubled(): Promise<Page<Task>> {
  const [troubled, paused] = await Promise.all([
    listTasks({ state: 'failing,late' }, null, ASKED),
    listTasks({ state: 'paused' }, null, ASKED),
  ])
  const all = [
    ...paused.rows.filter(pausedItself),
    ...troubled.rows.filter(({ paused_at }) => paused_at === null),
  ]
  return { rows: all, next: troubled.next }
}

export function Attention() {
  const { data, error, refetch } = useQuery({
    queryKey: ['tasks', 'troubled'],
    queryFn: listTroubled,
    refetchInterval: live<Page<Task>>(),
  })
  if (error && !data) return <Failure error={error} retry={refetch} />
  if (!data) return <Skeleton rows={2} />
  if (data.rows.length === 0)
    return (
      <p className="all-well">
        <Icon name="check" /> Nothing needs attention: no task fails, is late, or was paused by the scheduler.
      </p>
    )
  const more = data.rows.length - SHOWN
  return (
    <Panel
      title="Needs attention"
      className="attention"
      aside={
        <span className="quiet num">
          {plural(data.rows.length, 'task')}
          {data.next && ' or more'}
        </span>
      }
    >
      <ul className="lines">
        {data.rows.slice(0, SHOWN).map((task) => (
          <Trouble key={task.id} task={task} />
        ))}
      </ul>
      {more > 0 && (
        <p className="panel-foot">
          <span className="num">{more}</span> more, among all{' '}
          <a href={to('/tasks', { state: 'failing,late' })}>failing and late tasks</a>
          {data.rows.some(pausedItself) && (
            <>
              {' '}
              and <a href={to('/tasks', { state: 'paused' })}>paused tasks</a>
            </>
          )}
        </p>
      )}
    </Panel>
  )
}

function Trouble({ task }: { task: Task }) {
  const perform = useDo()
  const refusal = useRefusal()
  const { last_execution: last } = task
  return (
    <li className="trouble">
      <StateBadge state={task.state} />
      <div className="two-lines grow">
        <a className="strong clip" href={to(`/tasks/${task.id}`)}>
          {task.name}
        </a>
        <span className="quiet clip">
          {task.paused_at
            ? `Paused itself: ${task.pause_reason}`
            : (last?.detail ?? `${plural(task.consecutive_failures, 'failure')} in a row`)}
        </span>
      </div>
      <span className="from-m">
        <Outcomes recent={task.recent} />
      </span>
      <span className="line-end quiet">
        {task.paused_at ? <Ago at={task.paused_at} /> : last?.finished_at && <Ago at={last.finished_at} />}
      </span>
      {task.paused_at ? (
        <Button
          refused={refusal('write')}
          onClick={() => perform(() => resumeTask(task.id), `${task.name} is resumed`)}
        >
          Resume
        </Button>
      ) : (
        <a className="button" href={last ? to(`/executions/${last.id}`) : to(`/tasks/${task.id}`)}>
          Why?
        </a>
      )}
    </li>
  )
}
