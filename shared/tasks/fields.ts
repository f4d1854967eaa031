import * as z from 'zod'
import { findReordering } from '../hidden-characters.ts'
import { instantIn, instantOut } from '../instant.ts'
import { MISFIRE_POLICIES, OVERLAP_POLICIES } from '../scheduling/schedule/plan.ts'
import { INTERVAL_MODES, type ScheduleFields } from '../scheduling/schedule/schedule.ts'

/** A task field that users set: a column of `tasks` with the same name. */
type Field = {
  /** What POST, PATCH and PUT accept, besides null. */
  schema: z.ZodType
  /** What responses contain, if that is different. */
  out?: z.ZodType
  /** The column's default. A test checks that the database has the same one. */
  default: unknown
  /**
   * What a change affects. `schedule`: when the task is due, so its cursor moves. `runs`: how the task runs, so
   * executions that were claimed with the old value are withdrawn or freed. `nothing`: no run needs the field.
   */
  affects: 'schedule' | 'runs' | 'nothing'
  /**
   * Whether null in a PATCH clears it. Otherwise null leaves it unchanged, since the original client sends null for
   * everything that is unset.
   */
  nullClears: boolean
  /** The SQL expression that selects it from `tasks t`. Default: its name. */
  select?: string
  description: string
  example: unknown
}

const INT4_MAX = 2_147_483_647
const YEAR_SECONDS = 31_536_000

/** Returns a schema for text that is only shown. It may contain hidden characters, but none that reorder other text. */
export const prose = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .refine((text) => findReordering(text) === undefined, {
      error: ({ input }) => `contains ${findReordering(String(input))}, which reorders the text around it`,
    })

const tag = z.string().regex(/^[\w.:/-]{1,64}$/, 'must be 1 to 64 letters, digits, or any of _ . : / -')

/**
 * Every task field that users set, except `name`, `type` and `schedule_type`. All of these are derived from these
 * declarations: the schemas of POST, PATCH, PUT and the preview, the responses, the columns that statements select,
 * `openapi.json` and the reference page.
 */
export const FIELDS = {
  description: {
    schema: prose(2000),
    default: null,
    affects: 'nothing',
    nullClears: true,
    description: 'What the task is for.',
    example: 'Sends the weekly report to sales',
  },
  interval_seconds: {
    schema: z.int().min(1).max(INT4_MAX),
    default: null,
    affects: 'schedule',
    nullClears: false,
    description:
      'Seconds between occurrences. Required for `interval` schedules, and not allowed for others.',
    example: 60,
  },
  interval_mode: {
    schema: z.enum(INTERVAL_MODES),
    default: 'fixed_rate',
    affects: 'schedule',
    nullClears: false,
    description:
      'What an interval is measured from: with `fixed_rate` the previous occurrence, with `fixed_delay` the end of the previous run.',
    example: 'fixed_rate',
  },
  cron_expression: {
    schema: z.string(),
    default: null,
    affects: 'schedule',
    nullClears: false,
    description:
      'Five fields, six with seconds first, or a macro such as `@daily`. Required for `cron` schedules, and not allowed for others.',
    example: '*/5 9-17 * * 1-5',
  },
  timezone: {
    schema: z.string().max(64),
    default: 'UTC',
    affects: 'schedule',
    nullClears: false,
    description: 'IANA name of the time zone for the cron expression.',
    example: 'Europe/Berlin',
  },
  start_at: {
    schema: instantIn,
    out: instantOut,
    default: null,
    affects: 'schedule',
    nullClears: true,
    description: 'The earliest time for an occurrence. Intervals are measured from this time.',
    example: '2027-01-01T00:00:00Z',
  },
  end_at: {
    schema: instantIn,
    out: instantOut,
    default: null,
    affects: 'schedule',
    nullClears: true,
    description: 'The latest time for an occurrence.',
    example: '2027-12-31T23:59:59Z',
  },
  jitter_seconds: {
    schema: z.int().min(0).max(86_400),
    default: 0,
    affects: 'schedule',
    nullClears: false,
    description:
      "Upper limit, in seconds, of a fixed delay before each run. The delay depends on the task's name, so that tasks with the same schedule don't start together.",
    example: 30,
  },
  params: {
    schema: z.record(z.string(), z.unknown()),
    default: {},
    affects: 'runs',
    nullClears: false,
    description: 'Parameters of the task type. See the task types reference.',
    example: { duration: 2 },
  },
  timeout_seconds: {
    schema: z.number().min(0.001).max(86_400),
    default: null,
    affects: 'runs',
    nullClears: true,
    description:
      'Seconds after which a run is stopped, with status `timeout`. Null means `DEFAULT_TASK_TIMEOUT_SECONDS`.',
    example: 30,
  },
  overlap_policy: {
    schema: z.enum(OVERLAP_POLICIES),
    default: 'skip',
    affects: 'runs',
    nullClears: false,
    description:
      'What happens to occurrences that become due while an execution of the task is open. `skip` skips them; `queue` runs the latest one afterward.',
    example: 'skip',
  },
  misfire_policy: {
    schema: z.enum(MISFIRE_POLICIES),
    default: 'fire_once',
    affects: 'runs',
    nullClears: false,
    description:
      'What happens to missed occurrences, for example after downtime. `fire_once` runs only the latest one; `skip` runs it only if it is at most `misfire_grace_seconds` late; `fire_all` runs all of them, oldest first, but at most the latest 100.',
    example: 'fire_once',
  },
  misfire_grace_seconds: {
    schema: z.int().min(0).max(YEAR_SECONDS),
    default: 60,
    affects: 'runs',
    nullClears: false,
    description:
      'How many seconds late an occurrence may run. Only used with misfire policy `skip`, and once `end_at` has passed.',
    example: 60,
  },
  max_attempts: {
    schema: z.int().min(1).max(100),
    default: 1,
    affects: 'runs',
    nullClears: false,
    description: 'Maximum number of attempts at an occurrence, including the first.',
    example: 3,
  },
  retry_backoff_seconds: {
    schema: z.number().min(0).max(86_400),
    default: 5,
    affects: 'runs',
    nullClears: false,
    description:
      'Seconds to wait before the first retry. Doubles with each further retry. The actual wait is random, between half of this time and all of it.',
    example: 5,
  },
  retry_max_backoff_seconds: {
    schema: z.number().min(0).max(604_800),
    default: 3600,
    affects: 'runs',
    nullClears: false,
    description: 'Maximum seconds to wait before a retry.',
    example: 3600,
  },
  crash_limit: {
    schema: z.int().min(0).max(100),
    default: 3,
    affects: 'nothing',
    nullClears: false,
    description:
      'How many times an occurrence runs again after its worker was lost. One more loss pauses the task.',
    example: 3,
  },
  pause_after_failures: {
    schema: z.int().min(1).max(1000),
    default: null,
    affects: 'runs',
    nullClears: true,
    description: 'Number of consecutive failed occurrences after which the task is paused. Null means never.',
    example: 5,
  },
  max_runs: {
    schema: z.int().min(1).max(INT4_MAX),
    default: null,
    affects: 'runs',
    nullClears: true,
    description:
      "Number of occurrences that run before the schedule ends. Skipped occurrences and manual runs don't count. Null means no limit.",
    example: 10,
  },
  tags: {
    schema: z.array(tag).max(32),
    default: [],
    affects: 'nothing',
    nullClears: false,
    select: 'to_jsonb(t.tags) as tags',
    description: 'Labels for finding tasks. Each has 1 to 64 letters, digits, or any of `_ . : / -`.',
    example: ['reports'],
  },
} as const satisfies Record<string, Field> &
  Record<Exclude<keyof ScheduleFields, 'schedule_type'>, Field & { affects: 'schedule' }>

type Fields = typeof FIELDS

export type FieldName = keyof Fields

/** The values of the fields in a row of `tasks`. */
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

/** The values that determine when a task is due. */
export type ScheduleValues = Pick<FieldValues, Affecting<'schedule'>>

const all: Record<FieldName, Field> = FIELDS

/**
 * The casts below restore what `Object.keys` and `Object.fromEntries` lose: the field names, and the type of each
 * field.
 */
const names = Object.keys(FIELDS) as FieldName[]

/** Returns the names of the fields that affect any of `parts` when they change. */
export const fieldsAffecting = (...parts: Field['affects'][]): FieldName[] =>
  names.filter((name) => parts.includes(all[name].affects))

/** The names of the fields that a null in a PATCH clears. */
export const CLEARED_BY_NULL = names.filter((name) => all[name].nullClears)

/** What PUT sets for omitted fields. The schedule's defaults are in `scheduleFields`. */
export const DEFAULTS = Object.fromEntries(
  fieldsAffecting('runs', 'nothing').map((name) => [name, all[name].default]),
) as Pick<FieldValues, Affecting<'runs' | 'nothing'>>

/** A select list of the fields, for a statement that aliases `tasks` as `t`. */
export const FIELD_COLUMNS = names.map((name) => all[name].select ?? `t.${name}`).join(', ')

type Input = { [Name in FieldName]: z.ZodOptional<z.ZodNullable<Fields[Name]['schema']>> }

/** The fields in the shape of a request: each may be omitted or null. */
export const FIELDS_IN = Object.fromEntries(
  names.map((name) => {
    const { schema, description, example } = all[name]
    return [name, schema.nullish().meta({ description, examples: [example] })]
  }),
) as Input

/** The fields that determine when a task is due, in the shape of a request. */
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

/** The fields in the shape of a response. */
export const FIELDS_OUT = Object.fromEntries(
  names.map((name) => {
    const { schema, out = schema, default: value, description } = all[name]
    return [name, (value === null ? out.nullable() : out).meta({ description })]
  }),
) as Output
