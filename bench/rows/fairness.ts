import type postgres from 'postgres'
import { besideCrowd, type Crowd } from '../trial/crowd.ts'
import type { Case, Row } from './row.ts'

type Columns = { type: string; params: unknown; [column: string]: unknown }

/** Inserts `count` tasks that differ only in name. `cursor` is an SQL expression for their due time. */
const insert = async (
  sql: postgres.Sql,
  count: number,
  { params, ...columns }: Columns,
  cursor = 'now()',
): Promise<void> => {
  const row = { schedule_type: 'interval', interval_seconds: 3600, ...columns }
  await sql`create temporary table wanted as select 'crowd ' || i as name from generate_series(1, ${count}::int) i`
  const names = Object.keys(row)
  await sql.unsafe(
    `with t as (
      insert into tasks (name, params, ${names.join(', ')})
      select name, $1::text::jsonb, ${names.map((name, index) => `$${index + 2}::text${CASTS[name] ?? ''}`).join(', ')} from wanted
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, ${cursor} from t`,
    [JSON.stringify(params), ...Object.values(row).map(String)],
  )
  await sql`drop table wanted`
}

const CASTS: Record<string, string> = {
  interval_seconds: '::int',
  max_attempts: '::int',
  timeout_seconds: '::float8',
  retry_backoff_seconds: '::float8',
}

const CROWDS: Record<string, Crowd> = {
  '(a) 200 tasks that hang and are retried': {
    insert: (sql, { target }) =>
      insert(sql, 200, { type: 'http', params: { url: target }, max_attempts: 100 }),
  },
  '(b) 64 sleeps that last a day': {
    knownOnly: true,
    insert: (sql) =>
      insert(sql, 64, { type: 'sleep', params: { duration: 86_000 }, timeout_seconds: 86_400 }),
  },
  '(c) 1,000 tasks with fire_all, each 100 runs behind': {
    insert: (sql) =>
      insert(
        sql,
        1000,
        { type: 'sleep', params: { duration: 0.05 }, misfire_policy: 'fire_all', interval_seconds: 60 },
        `now() - interval '100 minutes'`,
      ),
  },
  '(d) 300,000 tasks at once': {
    insert: (sql) =>
      insert(
        sql,
        300_000,
        { type: 'sleep', params: { duration: 0 }, interval_seconds: 86_400 },
        `now() + interval '1 s'`,
      ),
  },
  '(e) 1,000 cron tasks, each ten years behind': {
    async insert(sql) {
      await insert(
        sql,
        1000,
        { type: 'sleep', params: { duration: 0 } },
        `now() - interval '10 years' + interval '1 day'`,
      )
      await sql`
        with t as (
          update tasks set schedule_type = 'cron', interval_seconds = null, timezone = 'America/New_York',
            cron_expression = '*/7 3-59/11 2-22/3 * * 1#2,5L', definition = nextval('definitions')
          where name like 'crowd%' returning id, definition
        )
        update task_state s set definition = t.definition from t where s.task_id = t.id`
    },
  },
  '(f) 2,000 tasks with 250 KB of params': {
    insert: (sql, { fast }) =>
      insert(
        sql,
        2000,
        { type: 'http', params: { url: fast, method: 'POST', body: 'x1y2'.repeat(62_500) } },
        `now() + interval '1 s'`,
      ),
  },
  '(g) 200 tasks that were quick, then hang': {
    quickSeconds: 20,
    insert: (sql, { target }) =>
      insert(sql, 200, { type: 'http', params: { url: target }, interval_seconds: 1 }),
  },
}

const beside = ([name, crowd]: [string, Crowd]): Case => ({
  name,
  run: (trial) => besideCrowd(trial, crowd),
})

export const fairness: Row = {
  name: 'fairness',
  title: 'Fairness next to a crowd of tasks',
  about:
    "A crowd of late or slow tasks competes for the default of 64 slots with 20 quick tasks that are due every second, and with a manual run every 5 s. Half of the quick tasks are created before the crowd (known), and half after it (new). The results show the shares of occurrences and manual runs that started within a second, the crowd's successful runs per second, and the memory of the process.",
  metrics: [
    { key: 'known_share', label: 'known tasks', unit: 'share', better: 'more' },
    { key: 'new_share', label: 'new tasks', unit: 'share', better: 'more' },
    { key: 'manual_share', label: 'manual runs', unit: 'share', better: 'more' },
    { key: 'crowd_rate', label: 'crowd runs', unit: '/s', better: 'more' },
    { key: 'rss_mb', label: 'RSS', unit: 'MB', better: 'less' },
  ],
  systems: ['ours-default'],
  repetitions: 1,
  quick: [],
  cases: (size) => (size === 'quick' ? [] : Object.entries(CROWDS).map(beside)),
}
