import type * as z from 'zod'
import type { statsOut } from '../shared/stats/stats.ts'
import { type AddCommands, wholeNumber } from './options.ts'
import { shortInstant } from './output.ts'

type Stats = z.output<typeof statsOut>
type Row = { start: string } & Stats['totals']

const count = (title: string, cell: (it: Row) => number) => ({
  title,
  right: true as const,
  cell: (it: Row) => String(cell(it)),
})

const ms = (title: string, cell: (it: Row) => number | undefined) => ({
  title,
  right: true as const,
  cell: (it: Row) => String(cell(it) ?? '-'),
})

const columns = [
  { title: 'START (UTC)', cell: (it: Row) => it.start },
  count('SUCCESS', ({ runs }) => runs.success),
  count('FAILED', ({ runs }) => runs.failed),
  count('TIMEOUT', ({ runs }) => runs.timeout),
  count('LOST', ({ runs }) => runs.lost),
  count('CANCELLED', ({ runs }) => runs.cancelled),
  count('SKIPPED', ({ skipped }) => Object.values(skipped).reduce((sum, n) => sum + n, 0)),
  ms('MS P50', ({ duration_ms }) => duration_ms?.p50),
  ms('P95', ({ duration_ms }) => duration_ms?.p95),
  ms('LATE P95', ({ late_ms }) => late_ms?.p95),
]

type Options = { from?: string; to?: string; bucket?: string; task?: number; tag?: string }

export const addStatsCommand: AddCommands = (program, session) => {
  program
    .command('stats')
    .description('count runs and skips, with their durations and lateness in milliseconds')
    .option('--from <time>', 'start of the window (default an hour of minutes, a day of hours, or 30 days)')
    .option('--to <time>', 'end of the window (default now)')
    .option('--bucket <minute|hour|day>', 'length of a bucket (default hour; for a task or a tag always day)')
    .option('--task <id>', 'only this task', wholeNumber)
    .option('--tag <tag>', 'only the tasks with this tag')
    .action(async ({ from, to, bucket, task, tag }: Options) => {
      const { api, output } = session()
      const given = Object.entries({ from, to, bucket, task_id: task?.toString(), tag })
      const query = new URLSearchParams(given.filter((it): it is [string, string] => it[1] !== undefined))
      const stats = await api.call<Stats>('GET', `/stats?${query}`)
      if (program.opts().json) return output.say('', stats)
      const rows = stats.buckets.map((it) => ({ ...it, start: shortInstant(it.start) }))
      const total = rows.length > 0 ? [{ ...stats.totals, start: 'total' }] : []
      output.table(columns, [...rows, ...total], 'nothing ended in this window')
    })
}
