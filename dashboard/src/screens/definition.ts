import { urlOf } from '../api/client.ts'
import type { Task } from '../api/model.ts'

/** The fields that a person decides, in the order in which they are told, and their defaults. */
export const DEFAULTS = {
  description: null,
  interval_seconds: null,
  interval_mode: 'fixed_rate',
  cron_expression: null,
  timezone: 'UTC',
  start_at: null,
  end_at: null,
  jitter_seconds: 0,
  params: {},
  timeout_seconds: null,
  overlap_policy: 'skip',
  misfire_policy: 'fire_once',
  misfire_grace_seconds: 60,
  max_attempts: 1,
  retry_backoff_seconds: 5,
  retry_max_backoff_seconds: 3600,
  crash_limit: 3,
  pause_after_failures: null,
  max_runs: null,
  tags: [],
} as const

export type Definition = { name: string; type: string; schedule_type: string } & Record<string, unknown>

/** Returns a task as one would declare it: without what has its default. */
export function definitionOf(task: Task): Definition {
  const { name, type, schedule_type } = task
  const others = Object.entries(DEFAULTS).flatMap(([field, standard]) => {
    const value = task[field as keyof typeof DEFAULTS]
    return JSON.stringify(value) === JSON.stringify(standard) ? [] : [[field, value] as const]
  })
  const first = schedule_type === 'once' && task.next_run_at ? { next_run_at: task.next_run_at } : {}
  return { name, type, schedule_type, ...Object.fromEntries(others), ...first }
}

/** Returns the call that declares a task. The key is a variable of the shell, so that none is copied. */
export function curlOf({ name, ...body }: Definition): string {
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''")
  return `curl -X PUT '${urlOf(`tasks/by-name/${encodeURIComponent(name).replaceAll("'", '%27')}`)}' \\
  -H 'content-type: application/json' \\
  -H "x-api-key: $API_KEY" \\
  -d '${json}'`
}
