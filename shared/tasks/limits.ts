import { config } from '../config.ts'
import type { Queryable } from '../db.ts'
import { invalid, type Problem } from '../errors.ts'
import { type ScheduleFields, shortestGapSeconds, tryReadSchedule } from '../scheduling/schedule/schedule.ts'
import type { TaskPatch } from './input.ts'

/** The stored values of a task that is being changed. */
type Stored = { id: number; timeout_seconds: number | null } & ScheduleFields

/**
 * Throws `invalid` for values beyond the limits that settings can lower. A value that is already stored is accepted:
 * after a limit has been lowered, a task that exceeds it can still be changed, or declared again with the same value.
 */
export async function requireWithinLimits(
  sql: Queryable,
  { schedule, timeout_seconds: timeout, params }: Limited,
  stored?: Stored,
): Promise<void> {
  const problems = [
    ...gapProblems(schedule, stored),
    ...timeoutProblems(timeout ?? null, stored),
    ...(await paramsProblems(sql, params ?? {}, stored)),
  ]
  if (problems.length > 0) throw invalid(problems)
}

type Limited = { schedule: ScheduleFields } & Pick<TaskPatch, 'timeout_seconds' | 'params'>

function gapProblems(schedule: ScheduleFields, stored: Stored | undefined): Problem[] {
  const { minIntervalSeconds: least } = config()
  const { interval_seconds: interval, cron_expression: cron } = schedule
  if (stored?.interval_seconds === interval && stored.cron_expression === cron) return []
  // Other code reports what is wrong with a schedule that can't be read.
  const read = tryReadSchedule(schedule)
  const gap = read === null ? Number.POSITIVE_INFINITY : shortestGapSeconds(read)
  if (gap >= least) return []
  return cron === null
    ? [{ pointer: '#/interval_seconds', detail: `must be at least ${least} (MIN_INTERVAL_SECONDS)` }]
    : [
        {
          pointer: '#/cron_expression',
          detail: `runs ${gap} seconds apart; at least ${least} are required (MIN_INTERVAL_SECONDS)`,
        },
      ]
}

function timeoutProblems(timeout: number | null, stored: Stored | undefined): Problem[] {
  const { maxTimeoutSeconds: most } = config()
  if (timeout === null || timeout <= most || timeout === stored?.timeout_seconds) return []
  return [{ pointer: '#/timeout_seconds', detail: `must be at most ${most} (MAX_TIMEOUT_SECONDS)` }]
}

async function paramsProblems(
  sql: Queryable,
  params: Record<string, unknown>,
  stored: Stored | undefined,
): Promise<Problem[]> {
  const { maxParamsBytes: most } = config()
  if (most === undefined) return []
  const json = JSON.stringify(params)
  const bytes = Buffer.byteLength(json)
  if (bytes <= most || (stored && (await hasParams(sql, stored.id, json)))) return []
  return [
    { pointer: '#/params', detail: `has ${bytes} bytes; at most ${most} are allowed (MAX_PARAMS_BYTES)` },
  ]
}

async function hasParams(sql: Queryable, id: number, json: string): Promise<boolean> {
  const [row] = await sql`select from tasks where id = ${id} and params = (${json}::text)::jsonb`
  return row !== undefined
}
