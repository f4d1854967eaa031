import * as z from 'zod'
import { invalid } from '../errors.ts'
import { instantIn } from '../instant.ts'
import { problemsOf, toPointer } from '../parse.ts'
import { runnerOf, TASK_TYPES } from '../runners/index.ts'
import { MISFIRE_POLICIES, OVERLAP_POLICIES } from '../scheduling/schedule/plan.ts'
import { INTERVAL_MODES, SCHEDULE_TYPES } from '../scheduling/schedule/schedule.ts'

const INT4_MAX = 2_147_483_647
const YEAR_SECONDS = 31_536_000

const name = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}]*$/u, 'has a control character')
  .refine((text) => text.trim() === text, 'starts or ends with white space')

const tag = z.string().regex(/^[\w.:/-]{1,64}$/, 'is not a tag: 1 to 64 letters, digits, or any of _ . : / -')

/** The fields that say when a task is due; a preview takes the same. A null means "not given". */
export const scheduleIn = {
  interval_seconds: z.int().min(1).max(INT4_MAX).nullish(),
  interval_mode: z
    .enum(INTERVAL_MODES)
    .nullish()
    .describe('From start to start (default), or from the end of a run'),
  cron_expression: z
    .string()
    .nullish()
    .describe('Five fields, or six with seconds first; or a macro such as @daily'),
  timezone: z.string().max(64).nullish().describe('IANA name; a cron schedule is read in it. Default UTC'),
  start_at: instantIn.nullish().describe('No occurrence before it; an interval counts from it'),
  end_at: instantIn.nullish().describe('No occurrence after it'),
  jitter_seconds: z
    .int()
    .min(0)
    .max(86_400)
    .nullish()
    .describe('Spread: each task gets a delay of its own below this'),
}

/**
 * What POST and PATCH share. In a PATCH a null leaves the field as it is, as the original client sends it for what is
 * unset, but for those that may be empty: it empties them.
 */
const shared = {
  ...scheduleIn,
  next_run_at: instantIn.nullish().describe('The next occurrence; an interval task runs at once without it'),
  params: z.record(z.string(), z.unknown()).nullish().describe('What the type takes: see the runners'),
  timeout_seconds: z.number().min(0.001).max(86_400).nullish(),
  overlap_policy: z.enum(OVERLAP_POLICIES).nullish(),
  misfire_policy: z.enum(MISFIRE_POLICIES).nullish(),
  misfire_grace_seconds: z.int().min(0).max(YEAR_SECONDS).nullish(),
  max_attempts: z.int().min(1).max(100).nullish(),
  retry_backoff_seconds: z.number().min(0).max(86_400).nullish(),
  retry_max_backoff_seconds: z.number().min(0).max(604_800).nullish(),
  crash_limit: z
    .int()
    .min(0)
    .max(100)
    .nullish()
    .describe('How often a lost execution of an occurrence runs again; one loss more pauses the task'),
  pause_after_failures: z
    .int()
    .min(1)
    .max(1000)
    .nullish()
    .describe('Failed occurrences in a row before it pauses'),
  max_runs: z.int().min(1).max(INT4_MAX).nullish().describe('Occurrences that run before the schedule ends'),
  tags: z.array(tag).max(32).nullish(),
}

export const taskCreate = z
  .strictObject({ name, type: z.enum(TASK_TYPES), schedule_type: z.enum(SCHEDULE_TYPES), ...shared })
  .meta({ id: 'TaskCreate' })

export const taskPatch = z
  .strictObject({ schedule_type: z.enum(SCHEDULE_TYPES).nullish(), ...shared })
  .meta({ id: 'TaskPatch' })

/** PUT has the name in its path. */
export const taskPut = taskCreate.omit({ name: true }).meta({ id: 'TaskPut' })

export const taskNamePath = z.strictObject({ name })

export type TaskCreate = z.output<typeof taskCreate>
export type TaskPatch = z.output<typeof taskPatch>

/** Refuses params that the type's runner wouldn't take. Throws `invalid`, with a pointer to each. */
export function checkParams(type: string, params: Record<string, unknown>): void {
  const parsed = runnerOf(type)?.params.safeParse(params)
  if (parsed?.success !== false) return
  throw invalid(problemsOf(parsed.error, (path) => ({ pointer: toPointer(['params', ...path]) })))
}
