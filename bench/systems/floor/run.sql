-- Claim: lock due rows, advance their cursors, and open the executions. This statement is its own transaction.
with due as (
  select ctid
  from task_state
  where next_run_at <= now()
  order by next_run_at
  limit 500
  for update skip locked
),
claimed as (
  update task_state s
  set next_run_at = s.next_run_at + make_interval(secs => s.interval_seconds),
    claim_id = '00000000-0000-4000-8000-000000000000',
    scheduled_for = s.next_run_at,
    started_at = now(),
    lease_expires_at = now() + interval '15 seconds'
  from due
  where s.ctid = due.ctid
  returning s.task_id
)
select coalesce(array_agg(c.task_id), '{}')::text as ids, array_agg(t.params)::text as params
from claimed c
join tasks t on t.id = c.task_id
\gset
-- Settle: clear the execution in the state row, fenced on its claim, and write the ledger row. The coalesce keeps
-- the planner from estimating how many rows the fence matches. After an analyze that found no claims, the planner would
-- otherwise join the whole table to the batch row by row (58 ms per batch instead of about 10, with 5,000 tasks).
with settled as (
  update task_state s
  set claim_id = null, scheduled_for = null, started_at = null, lease_expires_at = null
  from unnest(:ids::int[]) as ended (task_id)
  where s.task_id = ended.task_id and coalesce(s.claim_id = '00000000-0000-4000-8000-000000000000', false)
  returning s.task_id, old.scheduled_for, old.started_at
)
insert into executions (task_id, scheduled_for, status, started_at, finished_at, result)
select task_id, scheduled_for, 'success', started_at, now(), '{"slept_seconds": 0}'
from settled;
