-- What a claim changes lies together now, then what a settlement does: of a new version of a row that fits into the page of the old
-- one, only what lies between the first and the last byte that differ is logged. The order of columns can't be changed in place, so the rows
-- move to a new table.

-- Dropping the old one needs `tasks` too. Others take the two in either order, so this gives up before the server looks for a deadlock and ends one of
-- them, and tries again: for about two minutes, if something holds a table for long.
do $$
begin
  for attempt in 1..300 loop
    begin
      set local lock_timeout = '200ms';
      lock table task_state, tasks in access exclusive mode;
      exit;
    exception when lock_not_available or deadlock_detected then
      if attempt = 300 then
        raise;
      end if;
      perform pg_sleep(0.2);
    end;
  end loop;
end $$;
set local lock_timeout = 0;

alter table task_state rename to task_state_before;

create table task_state (
  -- As in tasks, where each change of a task gives it a new one: whoever has locked this row sees whether what it knows of the task still holds.
  definition bigint not null,
  task_id integer not null,
  -- Of the open occurrence: attempts that failed or timed out, and attempts that were lost.
  failures integer not null default 0,
  losses integer not null default 0,
  -- Occurrences that failed since the last success.
  consecutive_failures integer not null default 0,

  paused_at timestamptz(3),
  paused_until timestamptz(3),
  -- A run asked for by hand while one was open; it follows at once.
  run_queued_at timestamptz(3),
  -- When what is queued is due, as long as nobody holds it: a column of its own, since an index on `status` would make every start and
  -- every settlement write all indexes.
  unheld_due_at timestamptz(3),
  -- Asked to stop; its worker sees it at the next heartbeat.
  cancel_requested_at timestamptz(3),
  rerun_of bigint,

  -- A claim changes the following, down to `status`; of it a start changes the last ones.
  attempt integer constraint task_state_attempt_check check (attempt >= 1),
  -- Occurrences that ran, for max_runs.
  runs integer not null default 0,
  -- The cursor: when the next occurrence that nobody has claimed is due, its jitter included. Null when there is none.
  next_run_at timestamptz(3),
  -- The open execution, or, with status null, what is left of the last one.
  execution_id bigint,
  scheduled_for timestamptz(3),
  -- Not before this instant: the occurrence itself, or the end of a retry's backoff.
  due_at timestamptz(3),
  started_at timestamptz(3),
  -- When the last occurrence that ran began, and (busy_until) when its last attempt ended: what came due in between overlapped.
  busy_from timestamptz(3),
  claim_id uuid,

  -- A settlement changes these two (and the count of failures, when there was one).
  status text constraint task_state_status_check check (status in ('queued', 'running')),
  busy_until timestamptz(3),

  trigger text constraint task_state_trigger_check check (trigger in ('schedule', 'manual', 'rerun')),
  pause_reason text,

  constraint open_is_whole check (
    status is null
    or (execution_id is not null and scheduled_for is not null and due_at is not null and attempt is not null
      and trigger is not null)
  ),
  constraint running_is_claimed check (
    status is distinct from 'running' or (claim_id is not null and started_at is not null)
  ),
  constraint unheld_is_queued check (
    (unheld_due_at is not null) = (coalesce(status, '') = 'queued' and claim_id is null)
  ),
  constraint only_paused_has_details check (
    paused_at is not null or (pause_reason is null and paused_until is null)
  )
)
-- Of rows that have run a page takes three versions, those that a run writes among them. New ones are half as wide: of these it takes one version
-- as it is after the claim, and part of the next.
with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.02);

insert into task_state (
  definition, task_id, failures, losses, consecutive_failures, paused_at, paused_until, run_queued_at, unheld_due_at,
  cancel_requested_at, rerun_of, attempt, runs, next_run_at, execution_id, scheduled_for, due_at, started_at, busy_from, claim_id,
  status, busy_until, trigger, pause_reason
)
select
  definition, task_id, failures, losses, consecutive_failures, paused_at, paused_until, run_queued_at, unheld_due_at,
  cancel_requested_at, rerun_of, attempt, runs, next_run_at, execution_id, scheduled_for, due_at, started_at, busy_from, claim_id,
  status, busy_until, trigger, pause_reason
from task_state_before;

drop table task_state_before;

alter table task_state
  add primary key (task_id),
  add foreign key (task_id) references tasks (id) on delete cascade;

-- Serves the claim and GET /upcoming.
create index task_state_due on task_state (next_run_at, task_id) where paused_at is null and next_run_at is not null;
-- Few rows at a time: what the tick looks for besides due tasks.
create index task_state_unheld on task_state (unheld_due_at) where unheld_due_at is not null;
create index task_state_run_queued on task_state (run_queued_at) where run_queued_at is not null;
create index task_state_paused_until on task_state (paused_until) where paused_until is not null;
-- GET /tasks?paused=true.
create index task_state_paused on task_state (task_id) where paused_at is not null;

-- Its statistics went with the old table. Those of an empty one would be believed for too long.
do $$
begin
  if exists (select from task_state) then
    analyze task_state;
  end if;
end $$;
