import { useState } from 'react'
import { deleteTask, type PauseUntil, pauseTask, resumeTask, runTask, useDo } from '../api/actions.ts'
import type { Task } from '../api/model.ts'
import { go, to } from '../router.ts'
import { useRefusal } from '../session.tsx'
import { Confirm } from '../ui/confirm.tsx'
import type { MenuItem } from '../ui/menu.tsx'

type Open = 'pause' | 'delete' | null

/** Returns what can be done to a task, and the dialogs that some of it opens. */
export function useTaskActions(task: Task, afterDelete?: () => void) {
  const [open, setOpen] = useState<Open>(null)
  const perform = useDo()
  const refusal = useRefusal()
  const run = () =>
    perform(
      () => runTask(task.id, task.overlap_policy === 'queue' || task.running ? 'queue' : undefined),
      task.running ? `${task.name} will run again after its open execution` : `${task.name} started`,
    )
  const resume = () => perform(() => resumeTask(task.id), `${task.name} is resumed`)
  const items: MenuItem[] = [
    { label: 'Run now', icon: 'play', onSelect: run, refused: refusal('run') },
    task.paused_at
      ? { label: 'Resume', icon: 'play', onSelect: resume, refused: refusal('write') }
      : { label: 'Pause…', icon: 'pause', onSelect: () => setOpen('pause'), refused: refusal('write') },
    {
      label: 'Edit',
      icon: 'edit',
      onSelect: () => go(to(`/tasks/${task.id}/edit`)),
      refused: refusal('write'),
    },
    {
      label: 'Duplicate',
      icon: 'copy',
      onSelect: () => go(to('/tasks/new', { from: task.id })),
      refused: refusal('write'),
    },
    {
      label: 'Delete…',
      icon: 'trash',
      onSelect: () => setOpen('delete'),
      refused: refusal('write'),
      danger: true,
    },
  ]
  const close = () => setOpen(null)
  const dialogs = (
    <>
      {open === 'pause' && (
        <PauseDialog
          what={task.name}
          onClose={close}
          onPause={(body) => perform(() => pauseTask(task.id, body), `${task.name} is paused`)}
        />
      )}
      {open === 'delete' && (
        <Confirm
          title="Delete this task?"
          verb="Delete"
          danger
          onClose={close}
          onConfirm={async () => {
            const deleted = await perform(() => deleteTask(task.id), `${task.name} is deleted`)
            if (deleted) afterDelete?.()
          }}
        >
          <p>
            <strong>{task.name}</strong> and the record of its {task.runs.toLocaleString()} runs will be gone
            for good. To stop it and keep the record, pause it instead.
          </p>
        </Confirm>
      )}
    </>
  )
  return { items, dialogs, run, resume, pause: () => setOpen('pause'), refusal }
}

type PauseProps = { what: string; onClose: () => void; onPause: (body: PauseUntil) => Promise<unknown> }

function PauseDialog({ what, onClose, onPause }: PauseProps) {
  const [reason, setReason] = useState('')
  const [until, setUntil] = useState('')
  const body = { ...(reason && { reason }), ...(until && { until: new Date(until).toISOString() }) }
  return (
    <Confirm title={`Pause ${what}?`} verb="Pause" onClose={onClose} onConfirm={() => onPause(body)}>
      <p className="quiet">
        What becomes due meanwhile is skipped, with the reason “paused”. A run in progress goes on to its end.
      </p>
      <label className="field">
        <span>Reason</span>
        <input
          value={reason}
          maxLength={500}
          placeholder="Optional: what colleagues should know"
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Until</span>
        <input type="datetime-local" value={until} onChange={(event) => setUntil(event.target.value)} />
        <small>Optional, in your time zone. Without it, the task stays paused until it is resumed.</small>
      </label>
    </Confirm>
  )
}
