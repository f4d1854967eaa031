import cronstrue from 'cronstrue'
import type { Execution, Task } from '../api/model.ts'
import { distance } from './time.ts'

type Scheduled = Pick<
  Task,
  'schedule_type' | 'interval_seconds' | 'interval_mode' | 'cron_expression' | 'timezone'
>

/** Returns a schedule in words. `next` is when a `once` task is due. */
export function scheduleWords(task: Scheduled): string {
  if (task.schedule_type === 'once') return 'Once'
  if (task.schedule_type === 'cron') return cronWords(task.cron_expression ?? '')
  const every = `Every ${intervalWords(task.interval_seconds ?? 0)}`
  return task.interval_mode === 'fixed_delay' ? `${every} after each run` : every
}

function intervalWords(seconds: number): string {
  for (const [name, size] of [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ] as const)
    if (seconds % size === 0) return seconds === size ? name : `${seconds / size} ${name}s`
  return seconds === 1 ? 'second' : `${seconds} seconds`
}

function cronWords(expression: string): string {
  try {
    return cronstrue.toString(expression, { use24HourTimeFormat: true, verbose: false })
  } catch {
    return expression
  }
}

export const STATUSES = [
  'success',
  'failed',
  'timeout',
  'lost',
  'cancelled',
  'skipped',
  'running',
  'queued',
] as const

const STATUS_WORDS: Record<string, string> = {
  success: 'Succeeded',
  failed: 'Failed',
  timeout: 'Timed out',
  lost: 'Lost',
  cancelled: 'Cancelled',
  skipped: 'Skipped',
  running: 'Running',
  queued: 'Queued',
}

export const statusWord = (status: string): string => STATUS_WORDS[status] ?? status

export const TASK_STATES = ['running', 'failing', 'late', 'paused', 'ended'] as const

export const stateWord = (state: string): string => sentence(state)

/** Whether the scheduler, not a person, has paused the task. */
export const pausedItself = ({ paused_at, pause_reason }: Task): boolean =>
  paused_at !== null &&
  /^(failed \d+ times in a row|one occurrence was lost \d+ times)/.test(pause_reason ?? '')

export const isFailure = (status: string): boolean => ['failed', 'timeout', 'lost'].includes(status)

const LATE_WORDS: Record<string, string> = {
  no_place: 'It waited for a slot: all slots were taken. Raise MAX_CONCURRENT_EXECUTIONS, or add a worker.',
  retry_share: 'It waited for a slot. Retries get only half of the slots that become free.',
  database: 'It waited for the database, which could not be reached.',
  catch_up: "No scheduler was running when it was due, or the task's misfire policy runs missed occurrences.",
}

export const lateWords = ({ late_ms, late_reason }: Execution): string | null =>
  late_ms === null
    ? null
    : `Started ${distance(late_ms)} late. ${LATE_WORDS[late_reason ?? ''] ?? 'The reason is not known.'}`

const SKIP_WORDS: Record<string, string> = {
  overlap:
    'The previous run of this task was still open. Allow waiting with overlap policy “queue”, or make the interval longer.',
  misfire:
    'It was missed, for example while no scheduler was running, and the misfire policy does not run it later.',
  paused: 'The task was paused.',
  ended: "The task's schedule had ended, or was changed so that it excludes this time.",
}

export const skipWords = ({ skip_reason }: Execution): string =>
  SKIP_WORDS[skip_reason ?? ''] ?? 'It did not run.'

/** Returns a text from the API with a capital first letter. */
export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

export const plural = (count: number, word: string): string =>
  `${count.toLocaleString()} ${count === 1 ? word : `${word}s`}`
