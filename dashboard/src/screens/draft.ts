import type { Task } from '../api/model.ts'
import { DEFAULTS, type Definition, definitionOf } from './definition.ts'

/** A task as the form holds it: texts as typed. */
export type Draft = {
  name: string
  type: string
  params: Record<string, unknown>
  description: string
  tags: string
  schedule_type: string
  every: string
  unit: string
  interval_mode: string
  cron_expression: string
  timezone: string
  /** Local times, as `datetime-local` fields have them. */
  first: string
  start_at: string
  end_at: string
  jitter_seconds: string
  max_runs: string
  max_attempts: string
  retry_backoff_seconds: string
  timeout_seconds: string
  pause_after_failures: string
  overlap_policy: string
  misfire_policy: string
  /** The task's fields that the form doesn't show. */
  others: Record<string, unknown>
}

/** The problems with fields, by field name or path of a param, such as `params/url`. */
export type Problems = Record<string, string>

export const UNITS = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 } as const

export const EMPTY: Draft = {
  name: '',
  type: 'http',
  params: {},
  description: '',
  tags: '',
  schedule_type: 'cron',
  every: '5',
  unit: 'minutes',
  interval_mode: 'fixed_rate',
  cron_expression: '*/5 * * * *',
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  first: '',
  start_at: '',
  end_at: '',
  jitter_seconds: '',
  max_runs: '',
  max_attempts: '',
  retry_backoff_seconds: '',
  timeout_seconds: '',
  pause_after_failures: '',
  overlap_policy: 'skip',
  misfire_policy: 'fire_once',
  others: {},
}

/** What a PATCH must send to reset a field to its default. */
export const RESET: Record<string, unknown> = DEFAULTS

const NUMBERS = [
  'jitter_seconds',
  'max_runs',
  'max_attempts',
  'retry_backoff_seconds',
  'timeout_seconds',
  'pause_after_failures',
] as const
const HIDDEN = ['misfire_grace_seconds', 'retry_max_backoff_seconds', 'crash_limit'] as const

export function draftOf(task: Task): Draft {
  const definition = definitionOf(task)
  const seconds = task.interval_seconds ?? 300
  const unit = (['days', 'hours', 'minutes'] as const).find((it) => seconds % UNITS[it] === 0) ?? 'seconds'
  const text = (name: string) =>
    definition[name] === undefined || definition[name] === null ? '' : String(definition[name])
  return {
    ...EMPTY,
    name: task.name,
    type: task.type,
    params: task.params,
    description: task.description ?? '',
    tags: task.tags.join(', '),
    schedule_type: task.schedule_type,
    every: String(seconds / UNITS[unit]),
    unit,
    interval_mode: task.interval_mode,
    cron_expression: task.cron_expression ?? EMPTY.cron_expression,
    timezone: task.timezone,
    first: task.schedule_type === 'once' ? toLocal(task.next_run_at) : '',
    start_at: toLocal(task.start_at),
    end_at: toLocal(task.end_at),
    ...(Object.fromEntries(NUMBERS.map((name) => [name, text(name)])) as Pick<
      Draft,
      (typeof NUMBERS)[number]
    >),
    overlap_policy: task.overlap_policy,
    misfire_policy: task.misfire_policy,
    others: Object.fromEntries(
      HIDDEN.flatMap((name) => (name in definition ? [[name, definition[name]]] : [])),
    ),
  }
}

function toLocal(at: string | null): string {
  if (at === null) return ''
  const date = new Date(at)
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

const toInstant = (local: string): string | undefined => (local ? new Date(local).toISOString() : undefined)

/**
 * Returns the task that the form describes, without defaults, and what can't be sent at all. A new http task needs a
 * URL, although the API has a default: nobody who leaves the field empty means that.
 */
export function toDefinition(draft: Draft, isNew = false): { definition: Definition; problems: Problems } {
  const problems: Problems = {}
  const number = (name: string, text: string): number | undefined => {
    if (text.trim() === '') return undefined
    const value = Number(text)
    if (Number.isNaN(value)) problems[name] = 'must be a number'
    return value
  }
  const schedule: Record<string, unknown> = {
    start_at: toInstant(draft.start_at),
    end_at: toInstant(draft.end_at),
  }
  if (draft.schedule_type === 'interval') {
    const unit = UNITS[draft.unit as keyof typeof UNITS]
    const every = number('interval_seconds', draft.every)
    if (every === undefined) problems.interval_seconds = 'is required'
    Object.assign(schedule, { interval_seconds: (every ?? 0) * unit, interval_mode: draft.interval_mode })
  } else if (draft.schedule_type === 'cron') {
    Object.assign(schedule, {
      cron_expression: draft.cron_expression.trim(),
      timezone: draft.timezone.trim(),
    })
  } else {
    if (!draft.first) problems.next_run_at = 'is required: choose when it runs'
    Object.assign(schedule, { next_run_at: toInstant(draft.first) })
  }
  if (!draft.name.trim()) problems.name = 'is required'
  if (isNew && draft.type === 'http' && !draft.params.url) problems['params/url'] = 'is required'
  const all: Record<string, unknown> = {
    ...schedule,
    params: draft.params,
    description: draft.description.trim() || undefined,
    tags: draft.tags
      .split(',')
      .map((tag) => tag.trim())
      .filter(Boolean),
    ...Object.fromEntries(NUMBERS.map((name) => [name, number(name, draft[name])])),
    overlap_policy: draft.overlap_policy,
    misfire_policy: draft.misfire_policy,
    ...draft.others,
  }
  const defaults: Record<string, unknown> = DEFAULTS
  const given = Object.entries(all).filter(
    ([name, value]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(defaults[name]),
  )
  const definition = {
    name: draft.name.trim(),
    type: draft.type,
    schedule_type: draft.schedule_type,
    ...Object.fromEntries(given),
  }
  return { definition, problems }
}
