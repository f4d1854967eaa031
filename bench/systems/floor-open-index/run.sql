-- Claim: lock due rows, advance their cursors, and open the executions. This statement is its own transaction.
with due as (
  select ctid
  from task_state
  where next_run_at <= now()
  order by next_run_at
  limit 500
  for update skip locked
),
moved as (
  update task_state s
  set next_run_at = s.next_run_at + make_interval(secs => s.interval_seconds)
  from due
  where s.ctid = due.ctid
  returning s.task_id, old.next_run_at as scheduled_for
),
claimed as (
  insert into executions (task_id, scheduled_for, status, claim_id, lease_expires_at, started_at)
  select task_id, scheduled_for, 'running', '00000000-0000-4000-8000-000000000000', now() + interval '15 seconds', now()
  from moved
  returning id, task_id
)
select coalesce(array_agg(c.id), '{}')::text as ids, array_agg(t.params)::text as params
from claimed c
join tasks t on t.id = c.task_id
\gset
-- Settle: finish the ledger row, fenced on its claim.
update executions e
set status = 'success', lease_expires_at = null, finished_at = now(), result = '{"slept_seconds": 0}'
from unnest(:ids::bigint[]) as ended (id)
where e.id = ended.id and coalesce(e.claim_id = '00000000-0000-4000-8000-000000000000', false) and e.status = 'running';
