import type { Database } from '../../shared/db.ts'
import type { Call } from './target.ts'

/** Returns, for each promise, the rows that violate it. The promises must hold no matter what crashed. */
export async function audit(sql: Database, calls: Call[]): Promise<Record<string, readonly unknown[]>> {
  return {
    overlapping: await sql`
      select * from (
        select task_id, id, started_at, max(coalesce(finished_at, 'infinity'))
          over (partition by task_id order by started_at, id rows between unbounded preceding and 1 preceding) as busy_until
        from all_executions
        where started_at is not null
      ) windows
      where started_at < busy_until`,
    unaccounted: await sql`
      select t.id, t.name, (extract(epoch from t.next_run_at - t.start_at) / t.interval_seconds)::int as due, seen.*
      from whole_tasks t
      cross join lateral (
        select coalesce(sum(coalesce(skipped_count, 1)), 0)::int as accounted
        from all_executions e
        where e.task_id = t.id and e.trigger = 'schedule' and e.attempt = 1
      ) seen
      where accounted <> extract(epoch from t.next_run_at - t.start_at) / t.interval_seconds`,
    'off the grid': await sql`
      select e.task_id, e.id, e.scheduled_for
      from all_executions e
      join whole_tasks t on t.id = e.task_id
      where e.trigger = 'schedule' and mod(extract(epoch from e.scheduled_for - t.start_at), t.interval_seconds) <> 0`,
    miscounted: await sql`
      select t.id, t.params, count(e.id)::int as successes
      from whole_tasks t
      left join all_executions e on e.task_id = t.id and e.status = 'success'
      where t.type = 'counter'
      group by t.id, t.params
      having coalesce((t.params ->> 'count')::int, 0) <> count(e.id)`,
    'lost and not requeued': await sql`
      select e.task_id, e.scheduled_for, max(e.attempt) as attempt
      from all_executions e
      group by e.task_id, e.scheduled_for, e.trigger
      having (array_agg(e.status order by e.attempt desc))[1] = 'lost'`,
    'still held': await sql`
      select id, status, claim_id from all_executions where status = 'running' or (status = 'queued' and claim_id is not null)`,
    'leftover claims': await sql`select id from claims`,
    'paused themselves': await sql`select id, pause_reason from whole_tasks where paused_at is not null`,
    ...(await auditCalls(sql, calls)),
  }
}

async function auditCalls(sql: Database, calls: Call[]): Promise<Record<string, readonly unknown[]>> {
  const rows = await sql<{ key: string; succeeded: boolean }[]>`
    select format('task-%s-%s-%s', t.id, e.trigger,
        to_char(e.scheduled_for at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) as key,
      bool_or(e.status = 'success') as succeeded
    from all_executions e
    join whole_tasks t on t.id = e.task_id
    where t.type = 'http' and e.status <> 'skipped'
    group by t.id, e.trigger, e.scheduled_for`
  const known = new Set(rows.map(({ key }) => key))
  const made = new Set(calls.map(({ key }) => key))
  return {
    'calls without an occurrence': calls.filter(({ key }) => !known.has(key)),
    'successes without a call': rows.filter(({ key, succeeded }) => succeeded && !made.has(key)),
    'calls that overlap': overlaps(calls),
  }
}

/** Returns the calls that arrived while another call for the same task was open. */
function overlaps(calls: Call[]): Call[] {
  const byTask = Map.groupBy(calls, ({ key }) => key.split('-')[1])
  return [...byTask.values()].flatMap((own) =>
    own.filter((call, i) => i > 0 && call.from < (own[i - 1]?.until ?? 0)),
  )
}
