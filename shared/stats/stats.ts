import * as z from 'zod'
import { invalid } from '../errors.ts'
import { instantIn, instantOut } from '../instant.ts'
import { digits } from '../parse.ts'
import { SKIP_REASONS } from '../scheduling/schedule/plan.ts'
import { Counts, OUTCOMES } from './cells.ts'
import { percentilesOf } from './histogram.ts'
import { KEPT, WIDTHS, type Width } from './kept.ts'

/** More buckets take longer than a chart is wide. */
const MOST_BUCKETS = 1500

export const statsQuery = z.strictObject({
  from: instantIn
    .optional()
    .describe(
      `Start of the window, rounded down to the start of a bucket. A window has at most ${MOST_BUCKETS} buckets. The default is an hour of minutes, a day of hours, or 30 days.`,
    ),
  to: instantIn
    .optional()
    .describe('End of the window, rounded up to the end of a bucket. The default is now.'),
  bucket: z
    .enum(WIDTHS)
    .optional()
    .describe(
      `Length of a bucket, in UTC. Minutes are kept for ${KEPT.minute.words}, hours for ${KEPT.hour.words}, and days for ${KEPT.day.words}. The default is \`hour\`. With \`task_id\` or \`tag\` it is \`day\`, and nothing else is possible.`,
    ),
  task_id: digits(
    z
      .int()
      .min(1)
      .max(2 ** 31 - 1),
  )
    .optional()
    .describe('Only this task.'),
  tag: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Only the tasks that have this tag now, also for the time before they had it.'),
})

const count = z.int()
const ms = z.number()
const percentiles = z.object({ p50: ms, p95: ms, p99: ms }).nullable()

const countsOf = <Name extends string>(names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, count])) as Record<Name, typeof count>)

const numbers = {
  runs: countsOf(OUTCOMES).describe('Number of executions that ended, by status.'),
  skipped: countsOf(SKIP_REASONS).describe('Number of occurrences that were skipped, by reason.'),
  duration_ms: percentiles.describe(
    'How long runs took, in milliseconds, within 5%. Lost runs have no duration. Null if there are none.',
  ),
  late_ms: percentiles.describe(
    'How long after `due_at` runs started, in milliseconds, within 5%. Null if none has started.',
  ),
}

export const statsOut = z
  .object({
    from: instantOut.describe('Start of the first bucket.'),
    to: instantOut.describe('End of the last bucket.'),
    bucket: z.enum(WIDTHS),
    totals: z.object(numbers).describe('The whole window.'),
    buckets: z
      .array(z.object({ start: instantOut, ...numbers }))
      .describe('The buckets in which something ended or was skipped, oldest first.'),
  })
  .meta({ id: 'Stats' })

type Numbers = z.output<typeof statsOut>['totals']
export type Stats = {
  from: Date
  to: Date
  bucket: Width
  totals: Numbers
  buckets: ({ start: Date } & Numbers)[]
}

/** Which tasks are counted. */
export type Scope = { taskId: number } | { tag: string } | 'all'

export type Window = { from: Date; to: Date; bucket: Width; scope: Scope }

/** The number of buckets in a window that has no start. */
const BY_DEFAULT = { minute: 60, hour: 24, day: 30 }

/** Returns the window that a query asks for, in whole buckets. Throws `invalid`. */
export function windowOf(query: z.output<typeof statsQuery>, now = new Date()): Window {
  const scope = scopeOf(query)
  const bucket = query.bucket ?? (scope === 'all' ? 'hour' : 'day')
  if (scope !== 'all' && bucket !== 'day') {
    throw invalid([{ parameter: 'bucket', detail: 'must be day with task_id or tag' }])
  }
  const { ms, forMs, words } = KEPT[bucket]
  const end = Math.ceil((query.to ?? now).getTime() / ms) * ms
  const start = query.from ? Math.floor(query.from.getTime() / ms) * ms : end - BY_DEFAULT[bucket] * ms
  if (start >= end) throw invalid([{ parameter: 'from', detail: 'must be before to' }])
  if (start < now.getTime() - forMs - ms) {
    throw invalid([{ parameter: 'from', detail: `must be within the last ${words} if bucket is ${bucket}` }])
  }
  if ((end - start) / ms > MOST_BUCKETS) {
    throw invalid([{ parameter: 'from', detail: `must be at most ${MOST_BUCKETS} ${bucket}s before to` }])
  }
  const last = Math.ceil((now.getTime() + ms) / ms) * ms
  return { from: new Date(start), to: new Date(Math.max(start + ms, Math.min(end, last))), bucket, scope }
}

function scopeOf({ task_id, tag }: z.output<typeof statsQuery>): Scope {
  if (task_id !== undefined && tag !== undefined) {
    throw invalid([{ parameter: 'tag', detail: "can't be combined with task_id" }])
  }
  if (task_id !== undefined) return { taskId: task_id }
  return tag === undefined ? 'all' : { tag }
}

/** The cells of one bucket, which starts at this time (milliseconds since 1970). */
export type Bucket = [start: number, cells: Buffer]

/** Returns the statistics of a window from the cells of its buckets. Several may have the same start. */
export function toStats({ from, to, bucket }: Window, found: Bucket[]): Stats {
  const totals = new Counts()
  // One is enough for all buckets: there may be thousands.
  const counts = new Counts()
  const groups = [...Map.groupBy(found, ([start]) => start)].sort(([a], [b]) => a - b)
  const buckets = groups.map(([start, group]) => {
    counts.clear()
    for (const [, cells] of group) {
      counts.add(cells)
      totals.add(cells)
    }
    return { start: new Date(start), ...toNumbers(counts) }
  })
  return { from, to, bucket, totals: toNumbers(totals), buckets }
}

const toNumbers = (counts: Counts): Numbers => {
  const named = <Name extends Parameters<Counts['of']>[0]>(names: readonly Name[]) =>
    Object.fromEntries(names.map((name) => [name, counts.of(name)])) as Record<Name, number>
  return {
    runs: named(OUTCOMES),
    skipped: named(SKIP_REASONS),
    duration_ms: percentilesOf(counts.durations),
    late_ms: percentilesOf(counts.lateness),
  }
}
