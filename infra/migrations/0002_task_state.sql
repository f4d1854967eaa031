-- What a claim touches lies narrow and apart from the wide task row: the cursor and the open execution of a task share one row
-- of task_state. It has room for one open execution, so a task can't overlap itself. `executions` is the ledger: what has ended,
-- written once. See docs/adr/0014-one-row-of-state.md.

-- One sequence for both: an execution keeps its id from the claim into the ledger.
create sequence execution_ids;
-- From where the other one got to, and not from the greatest id that is left: that of a deleted task may have been greater.
select setval('execution_ids', last_value, is_called) from executions_id_seq;

-- No column owns it: a truncate that restarts identities must not give out a number again that a worker remembers a task by.
create sequence definitions;
alter table tasks add column definition bigint not null default nextval('definitions');

create table task_state (
  -- The cursor: when the next occurrence that nobody has claimed is due, its jitter included. Null when there is none.
  next_run_at timestamptz(3),

  -- The open execution, or, with status null, what is left of the last one.
  execution_id bigint,
  scheduled_for timestamptz(3),
  -- Not before this instant: the occurrence itself, or the end of a retry's backoff.
  due_at timestamptz(3),
  -- The same instant, as long as it is queued and nobody holds it: a column of its own, since an index on `status` would make
  -- every start and every settle write all indexes.
  unheld_due_at timestamptz(3),
  started_at timestamptz(3),
  -- Asked to stop; its worker sees it at the next heartbeat.
  cancel_requested_at timestamptz(3),
  claim_id uuid,

  -- When the last occurrence that ran began, and when its last attempt ended: what came due in between overlapped.
  busy_from timestamptz(3),
  busy_until timestamptz(3),
  -- A run asked for by hand while one was open; it follows at once.
  run_queued_at timestamptz(3),
  paused_at timestamptz(3),
  paused_until timestamptz(3),
  rerun_of bigint,

  task_id integer primary key references tasks (id) on delete cascade,
  attempt integer check (attempt >= 1),
  -- Of this occurrence: attempts that failed or timed out, and attempts that were lost.
  failures integer not null default 0,
  losses integer not null default 0,
  -- Occurrences that ran, for max_runs; and those that failed since the last success.
  runs integer not null default 0,
  consecutive_failures integer not null default 0,
  -- As in tasks, where each change of a task gives it a new one: whoever has locked this row sees whether what it knows of the task still holds.
  definition bigint not null,
  status text check (status in ('queued', 'running')),
  trigger text check (trigger in ('schedule', 'manual', 'rerun')),
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
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Executions handed to one worker, which hold as long as the worker renews the lease. The row goes when all have ended.
create table claims (
  id uuid primary key,
  lease_expires_at timestamptz(3) not null,
  task_ids integer[] not null
);

-- What ran while this was applied has no claim that the new code knows: it is lost, as if its lease had run out. So it runs again,
-- unless it was asked to stop, or has now been lost more often than its task's crash_limit allows, which pauses that.
insert into task_state (
  task_id, definition, next_run_at, execution_id, scheduled_for, due_at, unheld_due_at, attempt, trigger, rerun_of, status,
  failures, losses, busy_from, busy_until, run_queued_at, paused_at, paused_until, pause_reason, runs,
  consecutive_failures
)
select t.id, t.definition, t.next_run_at,
  case when goes_on and lost then nextval('execution_ids') else open.id end,
  coalesce(open.scheduled_for, busy.scheduled_for),
  case when lost then now() else coalesce(open.due_at, busy.scheduled_for) end,
  case when goes_on then case when lost then now() else open.due_at end end,
  open.attempt + (goes_on and lost)::int, open.trigger, open.rerun_of,
  case when goes_on then 'queued' end,
  tried.failures, tried.losses,
  busy.busy_from, case when busy.busy_from is not null and lost then now() else busy.busy_until end,
  t.run_queued_at,
  case when tired then coalesce(t.paused_at, now()) else t.paused_at end,
  case when not tired then t.paused_until end,
  case when tired then 'one occurrence was lost ' || (t.crash_limit + 1) || ' times: more than its crash_limit' else t.pause_reason end,
  t.runs, t.consecutive_failures
from tasks t
left join executions open on open.task_id = t.id and open.status in ('queued', 'running')
cross join lateral (select coalesce(open.status, '') = 'running' as lost) was
cross join lateral (
  select count(*) filter (where e.status in ('failed', 'timeout')) as failures,
    count(*) filter (where e.status in ('lost', 'running')) as losses
  from executions e
  where e.task_id = open.task_id and e.scheduled_for = open.scheduled_for and e.trigger = open.trigger
) tried
cross join lateral (select lost and tried.losses > t.crash_limit as tired) judged
cross join lateral (
  select open.id is not null and not tired and not (lost and open.cancel_requested_at is not null) as goes_on
) decided
left join lateral (
  select e.scheduled_for, min(e.started_at) as busy_from, max(e.finished_at) as busy_until
  from executions e
  where e.task_id = t.id and e.started_at is not null
  group by e.scheduled_for
  order by e.scheduled_for desc
  limit 1
) busy on true;

-- Serves the claim and GET /upcoming.
create index task_state_due on task_state (next_run_at, task_id) where paused_at is null and next_run_at is not null;

-- Few rows at a time: what the tick looks for besides due tasks.
create index task_state_unheld on task_state (unheld_due_at) where unheld_due_at is not null;
create index task_state_run_queued on task_state (run_queued_at) where run_queued_at is not null;
create index task_state_paused_until on task_state (paused_until) where paused_until is not null;
create index claims_lease on claims (lease_expires_at);

alter table tasks
  drop column next_run_at,
  drop column run_queued_at,
  drop column runs,
  drop column consecutive_failures,
  drop column paused_at,
  drop column paused_until,
  drop column pause_reason;
alter table tasks reset (autovacuum_vacuum_scale_factor);
alter table tasks set (fillfactor = 90);

-- What GET /tasks and the calls for many tasks filter by. A task changes seldom, so they cost little.
create index tasks_type on tasks (type, id);
create index tasks_schedule_type on tasks (schedule_type, id);
create index tasks_name_prefix on tasks (name collate "C");
create index tasks_tags on tasks using gin (tags);
create index task_state_paused on task_state (task_id) where paused_at is not null;

drop index executions_one_open;
drop index executions_unheld;
delete from executions where status = 'queued';
alter table executions
  drop constraint running_is_claimed,
  drop constraint skipped_is_never_claimed,
  drop constraint open_claims_are_leased,
  drop constraint final_states_are_finished,
  drop constraint started_when_it_ran,
  drop constraint executions_status_check,
  -- A foreign key locks the task's row at each insert, which is a write. Whoever writes here has locked the row of
  -- task_state, and deleting a task locks that first.
  drop constraint executions_task_id_fkey,
  drop column claim_id,
  drop column lease_expires_at;
update executions
set status = 'lost', finished_at = now(), detail = 'its worker was replaced by a newer version'
where status = 'running';
alter table executions
  alter column id drop identity,
  alter column id set default nextval('execution_ids'),
  alter column finished_at set not null,
  add constraint executions_status_check check (
    status in ('success', 'failed', 'timeout', 'lost', 'cancelled', 'skipped')
  ),
  add constraint started_when_it_ran check (
    case status when 'skipped' then started_at is null when 'cancelled' then true else started_at is not null end
  );
alter table executions reset (fillfactor);

-- What GET /executions filters by: what went wrong, which is rare, and a time, which a ledger is nearly in the order of.
create index executions_status on executions (status, id) where status <> 'success';
create index executions_scheduled on executions using brin (scheduled_for) with (autosummarize = on);
alter sequence execution_ids owned by executions.id;
