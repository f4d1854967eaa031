import * as z from 'zod'
import { instantIn, instantOut } from '../instant.ts'
import { MISFIRE_POLICIES, OVERLAP_POLICIES } from '../scheduling/schedule/plan.ts'
import { INTERVAL_MODES, type ScheduleFields } from '../scheduling/schedule/schedule.ts'

/** A field of a task that people set: a column of `tasks` of the same name. */
type Field = {
  /** What POST, PATCH and PUT accept, besides null. */
  schema: z.ZodType
  /** What answers show, if that is something else. */
  out?: z.ZodType
  /** What the column has if nothing is given. A test compares it with the database's. */
  default: unknown
  /**
   * What a change affects. `schedule`: when the task is due, so its cursor moves. `runs`: how it runs, so a claim that
   * knows the old value is taken back. `nothing`: no run needs it.
   */
  affects: 'schedule' | 'runs' | 'nothing'
  /**
   * Whether a null in a PATCH clears it. If not, the null leaves it as it is: the original client sends nulls for what
   * is unset.
   */
  nullClears: boolean
  /** How to select it, if not by its name. `tasks` is `t`. */
  select?: string
  description: string
  example: unknown
}

const INT4_MAX = 2_147_483_647
const YEAR_SECONDS = 31_536_000

const tag = z.string().regex(/^[\w.:/-]{1,64}$/, 'is not a tag: 1 to 64 letters, digits, or any of _ . : / -')

/**
 * Every field of a task that people set, besides `name`, `type` and `schedule_type`. The schemas of POST, PATCH, PUT
 * and the preview, the answers, the columns that statements select, `openapi.json` and the reference page follow from
 * it.
 */
export const FIELDS = {
  description: {
    schema: z.string().max(2000),
    default: null,
    affects: 'nothing',
    nullClears: true,
    description: 'Why the task exists, for people',
    example: 'Sends the weekly report to sales',
  },
  interval_seconds: {
    schema: z.int().min(1).max(INT4_MAX),
    default: null,
    affects: 'schedule',
    nullClears: false,
    description: 'Seconds between occurrences. Required for `interval`, and only allowed there',
    example: 60,
  },
  interval_mode: {
    schema: z.enum(INTERVAL_MODES),
    default: 'fixed_rate',
    affects: 'schedule',
    nullClears: false,
    description: '`fixed_rate` counts from start to start, `fixed_delay` from the end of a run',
    example: 'fixed_rate',
  },
  cron_expression: {
    schema: z.string(),
    default: null,
    affects: 'schedule',
    nullClears: false,
    description:
      'Five fields, or six with seconds first, or a macro such as @daily. Required for `cron`, and only allowed there',
    example: '*/5 9-17 * * 1-5',
  },
  timezone: {
    schema: z.string().max(64),
    default: 'UTC',
    affects: 'schedule',
    nullClears: false,
    description: 'IANA name of the zone in which a cron expression is read',
    example: 'Europe/Berlin',
  },
  start_at: {
    schema: instantIn,
    out: instantOut,
    default: null,
    affects: 'schedule',
    nullClears: true,
    description: 'No occurrence comes before it; an interval counts from it',
    example: '2027-01-01T00:00:00Z',
  },
  end_at: {
    schema: instantIn,
    out: instantOut,
    default: null,
    affects: 'schedule',
    nullClears: true,
    description: 'No occurrence comes after it',
    example: '2027-12-31T23:59:59Z',
  },
  jitter_seconds: {
    schema: z.int().min(0).max(86_400),
    default: 0,
    affects: 'schedule',
    nullClears: false,
    description: 'Spreads tasks: each gets a fixed delay of its own, below this',
    example: 30,
  },
  params: {
    schema: z.record(z.string(), z.unknown()),
    default: {},
    affects: 'runs',
    nullClears: false,
    description: 'What the task type needs: see task types',
    example: { duration: 2 },
  },
  timeout_seconds: {
    schema: z.number().min(0.001).max(86_400),
    default: null,
    affects: 'runs',
    nullClears: true,
    description:
      'A run that takes longer is stopped, with status `timeout`. Null: DEFAULT_TASK_TIMEOUT_SECONDS',
    example: 30,
  },
  overlap_policy: {
    schema: z.enum(OVERLAP_POLICIES),
    default: 'skip',
    affects: 'runs',
    nullClears: false,
    description: 'What happens to an occurrence that comes due during a run: it is skipped, or queued',
    example: 'skip',
  },
  misfire_policy: {
    schema: z.enum(MISFIRE_POLICIES),
    default: 'fire_once',
    affects: 'runs',
    nullClears: false,
    description: 'What happens to occurrences that were missed: one runs for all, none runs, or all run',
    example: 'fire_once',
  },
  misfire_grace_seconds: {
    schema: z.int().min(0).max(YEAR_SECONDS),
    default: 60,
    affects: 'runs',
    nullClears: false,
    description: 'An occurrence is missed once it is late by more than this',
    example: 60,
  },
  max_attempts: {
    schema: z.int().min(1).max(100),
    default: 1,
    affects: 'runs',
    nullClears: false,
    description: 'How often an occurrence is tried, the first time included',
    example: 3,
  },
  retry_backoff_seconds: {
    schema: z.number().min(0).max(86_400),
    default: 5,
    affects: 'runs',
    nullClears: false,
    description: 'Seconds before the first retry; it doubles with each one',
    example: 5,
  },
  retry_max_backoff_seconds: {
    schema: z.number().min(0).max(604_800),
    default: 3600,
    affects: 'runs',
    nullClears: false,
    description: 'The longest wait before a retry',
    example: 3600,
  },
  crash_limit: {
    schema: z.int().min(0).max(100),
    default: 3,
    affects: 'nothing',
    nullClears: false,
    description: 'How often an occurrence runs again after its worker died. One more loss pauses the task',
    example: 3,
  },
  pause_after_failures: {
    schema: z.int().min(1).max(1000),
    default: null,
    affects: 'runs',
    nullClears: true,
    description: 'How many failed occurrences in a row pause the task. Null: none do',
    example: 5,
  },
  max_runs: {
    schema: z.int().min(1).max(INT4_MAX),
    default: null,
    affects: 'runs',
    nullClears: true,
    description: 'How many occurrences run before the schedule ends. Null: no limit',
    example: 10,
  },
  tags: {
    schema: z.array(tag).max(32),
    default: [],
    affects: 'nothing',
    nullClears: false,
    select: 'to_jsonb(t.tags) as tags',
    description: 'Labels to find tasks by, each of 1 to 64 letters, digits, or any of _ . : / -',
    example: ['reports'],
  },
} as const satisfies Record<string, Field> &
  Record<Exclude<keyof ScheduleFields, 'schedule_type'>, Field & { affects: 'schedule' }>

type Fields = typeof FIELDS

export type FieldName = keyof Fields

/** The values of the fields, as a row of `tasks` has them. */
export type FieldValues = {
  [Name in FieldName]:
    | z.output<Fields[Name]['schema']>
    | (Fields[Name]['default'] extends null ? null : never)
}

type Affecting<Part extends Field['affects']> = {
  [Name in FieldName]: Fields[Name]['affects'] extends Part ? Name : never
}[FieldName]

/** The values that a run needs. */
export type RunValues = Pick<FieldValues, Affecting<'runs' | 'schedule'>>

/** The values that say when a task is due. */
export type ScheduleValues = Pick<FieldValues, Affecting<'schedule'>>

const all: Record<FieldName, Field> = FIELDS

/** The casts below say what `Object.entries` loses: that each key has the type of its own field. */
const names = Object.keys(FIELDS) as FieldName[]

/** Returns the names of the fields that affect any of these. */
export const fieldsAffecting = (...parts: Field['affects'][]): FieldName[] =>
  names.filter((name) => parts.includes(all[name].affects))

/** The names of the fields that a null clears. */
export const CLEARED_BY_NULL = names.filter((name) => all[name].nullClears)

/** What PUT sets for fields that it isn't given. The schedule's follow from its type. */
export const DEFAULTS = Object.fromEntries(
  fieldsAffecting('runs', 'nothing').map((name) => [name, all[name].default]),
) as Pick<FieldValues, Affecting<'runs' | 'nothing'>>

/** How to select the fields, for a statement whose `tasks` is `t`. */
export const FIELD_COLUMNS = names.map((name) => all[name].select ?? `t.${name}`).join(', ')

type Input = { [Name in FieldName]: z.ZodOptional<z.ZodNullable<Fields[Name]['schema']>> }

/** The fields as the shape of an input: each may be left out, or null. */
export const FIELDS_IN = Object.fromEntries(
  names.map((name) => {
    const { schema, description, example } = all[name]
    return [name, schema.nullish().meta({ description, examples: [example] })]
  }),
) as Input

/** Those that say when a task is due. */
export const SCHEDULE_IN = Object.fromEntries(
  fieldsAffecting('schedule').map((name) => [name, FIELDS_IN[name]]),
) as Pick<Input, Affecting<'schedule'>>

type OutSchema<Of> = Of extends { out: infer Out extends z.ZodType }
  ? Out
  : Of extends { schema: infer Schema extends z.ZodType }
    ? Schema
    : never
type Output = {
  [Name in FieldName]: Fields[Name]['default'] extends null
    ? z.ZodNullable<OutSchema<Fields[Name]>>
    : OutSchema<Fields[Name]>
}

/** The fields as the shape of an answer. */
export const FIELDS_OUT = Object.fromEntries(
  names.map((name) => {
    const { schema, out = schema, default: value, description } = all[name]
    return [name, (value === null ? out.nullable() : out).meta({ description })]
  }),
) as Output
