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

/** Adds the schedule options, with the same names as in the original client. */
export const withSchedule = (command: Command): Command =>
  command
    .option('--schedule <interval|once|cron>', 'type of schedule', 'interval')
    .option('--interval-seconds <n>', 'seconds between runs, for an interval schedule', wholeNumber)
    .option('--next-run-at <time>', 'time of the next run in ISO 8601, in UTC unless it has an offset')
    .option('--cron-expression <expression>', 'cron expression, for a cron schedule')
    .option('--timezone <name>', 'time zone of a cron schedule, such as Europe/Berlin (default UTC)')

export type ScheduleOptions = {
  schedule: string
  intervalSeconds?: number
  nextRunAt?: string
  cronExpression?: string
  timezone?: string
}

/** Returns the schedule options as API fields. Missing options are undefined, so JSON omits them. */
export const toSchedule = (options: ScheduleOptions) => ({
  schedule_type: options.schedule,
  interval_seconds: options.intervalSeconds,
  next_run_at: options.nextRunAt,
  cron_expression: options.cronExpression,
  timezone: options.timezone,
})
