import * as z from 'zod'
import { DatabaseClock } from '../clock.ts'
import type { Queryable } from '../db.ts'
import { invalid } from '../errors.ts'
import { instantIn, instantOut } from '../instant.ts'
import { clockChangeNote } from '../scheduling/schedule/cron/clock-change-note.ts'
import { describeCron } from '../scheduling/schedule/cron/cron.ts'
import { offsetAt } from '../scheduling/schedule/cron/zone.ts'
import {
  firstOccurrence,
  jitterMs,
  nextAfter,
  readSchedule,
  requireWithin,
  SCHEDULE_TYPES,
  type Schedule,
  shift,
} from '../scheduling/schedule/schedule.ts'
import { scheduleFields } from './create.ts'
import { SCHEDULE_IN } from './fields.ts'

export const previewIn = z.strictObject({
  schedule_type: z.enum(SCHEDULE_TYPES),
  ...SCHEDULE_IN,
  next_run_at: instantIn.nullish().describe('The first occurrence. Required for `once` schedules.'),
  name: z.string().max(200).nullish().describe("The task's name, which determines the jitter."),
  max_runs: z.int().min(1).nullish().describe('Number of occurrences after which the schedule ends.'),
  after: instantIn
    .nullish()
    .describe(
      "Returns only occurrences after this time. Without it, the list starts with a new task's first occurrence.",
    ),
  count: z.int().min(1).max(50).nullish().describe('Number of occurrences to return. Default: 5.'),
})

export const previewOut = z.object({
  description: z.string().describe('The schedule in words.'),
  occurrences: z.array(
    z.object({
      at: instantOut.describe('The occurrence.'),
      effective_at: instantOut.describe('The occurrence with its jitter.'),
      local: z.string().describe("The occurrence in the schedule's time zone."),
      note: z.string().nullable().describe('How a clock change affects the occurrence. Null if none does.'),
    }),
  ),
})

type Occurrence = { at: Date; effective_at: Date; local: string; note: string | null }

/** Previews a schedule without creating a task. Throws `invalid` for an invalid schedule. */
export async function preview(
  sql: Queryable,
  input: z.output<typeof previewIn>,
): Promise<{ description: string; occurrences: Occurrence[] }> {
  const fields = scheduleFields(input)
  const schedule = readSchedule(fields)
  const first = input.next_run_at ?? null
  const { now } = await new DatabaseClock().read(sql)
  if (first) requireWithin(schedule, first, now)
  const count = Math.min(input.count ?? 5, input.max_runs ?? 50)
  const instants = input.after
    ? occurrencesAfter(schedule, first, input.after, count)
    : occurrencesFrom(schedule, first ?? firstOccurrence(schedule, now), count)
  const jitter = jitterMs(input.name ?? '', fields.jitter_seconds)
  return {
    description: describe(schedule, first),
    occurrences: instants.map((at) => ({
      at,
      effective_at: shift(at, jitter),
      local: localTime(fields.timezone, at),
      note: schedule.kind === 'cron' ? clockChangeNote(schedule.cron, schedule.timezone, at) : null,
    })),
  }
}

function occurrencesAfter(schedule: Schedule, first: Date | null, after: Date, count: number): Date[] {
  if (schedule.kind === 'once' && first === null) {
    throw invalid([{ pointer: '#/next_run_at', detail: 'is required when schedule_type is once' }])
  }
  const anchor = first ?? schedule.startAt ?? after
  const waits = anchor > after && (first !== null || schedule.kind === 'interval')
  const next = waits ? anchor : nextAfter(schedule, anchor, after)
  return next === null ? [] : occurrencesFrom(schedule, next, count)
}

/** With a fixed delay, only the first occurrence is known, since the second depends on when the first run ends. */
function occurrencesFrom(schedule: Schedule, first: Date, count: number): Date[] {
  if (schedule.kind === 'interval' && schedule.mode === 'fixed_delay') return [first]
  const instants: Date[] = []
  let at: Date | null = first
  while (at !== null && instants.length < count) {
    instants.push(at)
    at = nextAfter(schedule, first, at)
  }
  return instants
}

function describe(schedule: Schedule, first: Date | null): string {
  if (schedule.kind === 'once') return `Once, at ${first?.toISOString()}`
  if (schedule.kind === 'cron') return `${describeCron(schedule.cron.expression)} (${schedule.timezone})`
  const from = schedule.mode === 'fixed_delay' ? ' after the end of each run' : ''
  const seconds = schedule.milliseconds / 1000
  return `Every ${seconds === 1 ? 'second' : `${seconds} seconds`}${from}`
}

/** Returns the local time in ISO 8601 with the zone's offset, to the second. */
function localTime(zone: string, at: Date): string {
  const offset = offsetAt(zone, at.getTime())
  const wall = new Date(at.getTime() + offset).toISOString().slice(0, -5)
  const minutes = Math.abs(Math.round(offset / 60_000))
  const parts = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'))
  return `${wall}${offset < 0 ? '-' : '+'}${parts.join(':')}`
}
