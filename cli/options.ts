import { type Command, InvalidArgumentError } from 'commander'
import type { Api } from './api.ts'
import type { Output } from './output.ts'

/** What a command works with. It is made when the command runs, since it depends on the options. */
export type Session = { api: Api; output: Output }

/** Adds a family of commands to the program. */
export type AddCommands = (program: Command, session: () => Session) => void

export function wholeNumber(text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

export function decimal(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number.')
}

/** The options that say when a task is due, under their original names. */
export const withSchedule = (command: Command): Command =>
  command
    .option('--schedule <interval|once|cron>', 'when it runs', 'interval')
    .option('--interval-seconds <n>', 'of an interval schedule', wholeNumber)
    .option('--next-run-at <instant>', 'ISO 8601; without an offset it is UTC')
    .option('--cron-expression <expression>', 'of a cron schedule')
    .option('--timezone <name>', 'a cron schedule is read in it, such as Europe/Berlin (default UTC)')

export type ScheduleOptions = {
  schedule: string
  intervalSeconds?: number
  nextRunAt?: string
  cronExpression?: string
  timezone?: string
}

/** Returns them as the API takes them. What isn't given is left out of the JSON. */
export const toSchedule = (options: ScheduleOptions) => ({
  schedule_type: options.schedule,
  interval_seconds: options.intervalSeconds,
  next_run_at: options.nextRunAt,
  cron_expression: options.cronExpression,
  timezone: options.timezone,
})
