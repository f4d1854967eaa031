import { type Command, InvalidArgumentError } from 'commander'
import type { Api } from './api.ts'
import type { Output } from './output.ts'

/** The API client and output for a command. Created when the command runs, because it depends on the options. */
export type Session = { api: Api; output: Output }

/** Adds a group of commands to the program. */
export type AddCommands = (program: Command, session: () => Session) => void

export function wholeNumber(text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

export function decimal(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number.')
}

/** Returns a query string for the given options, such as `?task_id=1`, with the API's names. */
export function toQuery(options: Record<string, unknown>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options)) {
    const apiName = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    if (value !== undefined) query.set(apiName, String(value))
  }
  return query.size > 0 ? `?${query}` : ''
}

/** Adds the filters for executions, with the API's names. */
export const withFilters = (command: Command): Command =>
  command
    .option('--status <statuses>', 'only these statuses, such as failed,timeout,lost')
    .option('--error-code <codes>', 'only these error codes, such as http_status,dns')
    .option('--trigger <schedule|manual|rerun>', 'only executions that this created')
    .option('--scheduled-from <time>', 'only occurrences at or after this time')
    .option('--scheduled-to <time>', 'only occurrences before this time')
    .option('--started-from <time>', 'only executions that started at or after this time')
    .option('--started-to <time>', 'only executions that started before this time')
    .option('--finished-from <time>', 'only executions that ended at or after this time')
    .option('--finished-to <time>', 'only executions that ended before this time')
    .option('--min-late-ms <n>', 'only executions that started at least this late', wholeNumber)
    .option('--min-duration-ms <n>', 'only executions that took at least this long', wholeNumber)

/** Adds the filters for executions by their task. */
export const withTaskFilters = (command: Command): Command =>
  command
    .option('--task-name-prefix <text>', 'only executions of tasks whose names start with this')
    .option('--tag <tag>', 'only executions of tasks with this tag')

/** Adds the schedule options, with the same names as in the original client. */
export const withSchedule = (command: Command): Command =>
  command
    .option('--schedule <interval|once|cron>', 'type of schedule (default: what the options below describe)')
    .option('--interval-seconds <n>', 'seconds between runs, for an interval schedule', wholeNumber)
    .option('--next-run-at <time>', 'time of the next run in ISO 8601, in UTC unless it has an offset')
    .option('--cron-expression <expression>', 'cron expression, for a cron schedule')
    .option('--timezone <name>', 'time zone of a cron schedule, such as Europe/Berlin (default UTC)')

export type ScheduleOptions = {
  schedule?: string
  intervalSeconds?: number
  nextRunAt?: string
  cronExpression?: string
  timezone?: string
}

/** Returns the type of schedule that the options describe, if they don't name one. */
function typeOf({ cronExpression, nextRunAt, intervalSeconds }: ScheduleOptions): string {
  if (cronExpression !== undefined) return 'cron'
  return nextRunAt !== undefined && intervalSeconds === undefined ? 'once' : 'interval'
}

/** Returns the schedule options as API fields. Missing options are undefined, so JSON omits them. */
export const toSchedule = (options: ScheduleOptions) => ({
  schedule_type: options.schedule ?? typeOf(options),
  interval_seconds: options.intervalSeconds,
  next_run_at: options.nextRunAt,
  cron_expression: options.cronExpression,
  timezone: options.timezone,
})
