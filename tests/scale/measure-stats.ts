/**
 * Measures GET /stats and the roll-ups on a ledger of ten million executions of 100,000 tasks, over 90 days. Not part
 * of the test suite. Fills the database, which must be empty and migrated, and takes about twenty minutes:
 *
 * DATABASE_URL=postgres://… node tests/scale/measure-stats.ts [executions] [tasks]
 */
import { connect, db, LONG_LIMITS } from '../../shared/db.ts'
import { getStats } from '../../shared/stats/get.ts'
import { Pace, rollUp } from '../../shared/stats/roll-up.ts'
import { statsQuery } from '../../shared/stats/stats.ts'

const [executions = 10_000_000, tasks = 100_000] = process.argv.slice(2).map(Number)
const DAYS = 90
const CALLS = 100

const long = connect(process.env.DATABASE_URL ?? '', { max: 1, limits: LONG_LIMITS })

async function fill(): Promise<void> {
  await long`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds, tags)
      select 'task ' || i, 'sleep', 'interval', 3600,
        case when i % 10 = 0 then '{tenth,all}' when i % 100 = 1 then '{hundredth,all}' else '{all}' end::text[]
      from generate_series(1, ${tasks}::int) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, now() + interval '1 day' from t`
  const slice = 500_000
  for (let from = 0; from < executions; from += slice) {
    await long`
      insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at, result)
      select 1 + i % ${tasks}::int, at, at, case when i % 50 = 0 then 'failed' else 'success' end, at + late,
        at + late + exp(random() * 8) * interval '1 ms', '{"slept_seconds": 0}'
      from generate_series(${from}::int, ${Math.min(executions, from + slice) - 1}::int) i,
        lateral (select now() - (${executions}::int - i) * (${DAYS}::int * interval '1 day' / ${executions}::int) as at) a,
        lateral (select exp(random() * 5) * interval '1 ms' + i * interval '0' as late) l`
  }
  await long`update roll_up set totals_until = now() - interval '91 days', tasks_until = now() - interval '91 days'`
  for (const table of ['tasks', 'task_state', 'executions']) await long`vacuum analyze ${long(table)}`
}

async function countAll(): Promise<void> {
  const pace = new Pace()
  const took: number[] = []
  for (let isAsked = false; ; ) {
    await long`update roll_up set due_at = 'epoch'`
    const since = performance.now()
    const restMs = await rollUp(long, pace).catch((error: Error) => {
      console.log(error.message)
      return 0
    })
    took.push(performance.now() - since)
    if (restMs > 0 && isAsked) break
    isAsked ||= restMs > 0
  }
  console.log('roll-up of everything', { steps: took.length, seconds: sum(took) / 1000, ...quantiles(took) })
}

async function sizes(): Promise<void> {
  for (const table of ['executions', 'task_stats', 'total_stats']) {
    const [row] = await long`
      select ${table}::text as table, pg_total_relation_size(${table}::text::regclass) as bytes, (select count(*) from ${long(table)}) as rows`
    console.log({ ...row, bytes_a_row: row && row.bytes / row.rows })
  }
  const [index] =
    await long`select pg_relation_size('executions_finished') as bytes_of_the_index_on_finished_at`
  console.log(index)
}

const ago = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString()
const windows: Record<string, () => object> = {
  'all, a day by minute': () => ({ bucket: 'minute', from: ago(1) }),
  'all, 24 hours by hour': () => ({}),
  'all, 60 days by hour': () => ({ from: ago(60) }),
  'all, 400 days by day': () => ({ bucket: 'day', from: ago(400) }),
  'a task, 30 days': () => ({ task_id: String(1 + Math.floor(Math.random() * tasks)) }),
  'a task, 400 days': () => ({ task_id: String(1 + Math.floor(Math.random() * tasks)), from: ago(400) }),
  'a tag of 1% of the tasks, 30 days': () => ({ tag: 'hundredth' }),
  'a tag of 1% of the tasks, 90 days': () => ({ tag: 'hundredth', from: ago(90) }),
  'a tag of 10% of the tasks, 7 days': () => ({ tag: 'tenth', from: ago(7) }),
  'a tag of 10% of the tasks, 1 day': () => ({ tag: 'tenth', from: ago(1) }),
}

async function measure(): Promise<void> {
  for (const [what, query] of Object.entries(windows)) {
    const took: number[] = []
    let bytes = 0
    for (let call = 0; call < CALLS; call += 1) {
      const since = performance.now()
      bytes = JSON.stringify(await getStats(db(), statsQuery.parse(query()))).length
      took.push(performance.now() - since)
    }
    console.log(what, { ...quantiles(took), bytes })
  }
}

const sum = (values: number[]): number => values.reduce((all, it) => all + it, 0)

function quantiles(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => Number(sorted[Math.ceil(sorted.length * share) - 1]?.toFixed(1))
  return { p50_ms: at(0.5), p95_ms: at(0.95), max_ms: at(1) }
}

const [{ isEmpty }] = await long<[{ isEmpty: boolean }]>`select not exists (select from tasks) as "isEmpty"`
if (isEmpty) await fill()
await countAll()
await long`vacuum analyze task_stats, total_stats`
await sizes()
await measure()
await Promise.all([long.end(), db().end()])
