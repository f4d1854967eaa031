-- The state machine lives here: a row that breaks it can't exist.
-- Instants carry milliseconds, since that is what a JavaScript Date holds: a cursor that is read, advanced and
-- written back must not lose the microseconds on the way.

create table tasks (
  id integer generated always as identity primary key,
  name text not null unique check (length(name) between 1 and 200),
  type text not null,
  schedule_type text not null check (schedule_type in ('interval', 'once', 'cron')),
  interval_seconds integer check (interval_seconds >= 1),
  cron_expression text,
  timezone text not null default 'UTC',
  interval_mode text not null default 'fixed_rate' check (interval_mode in ('fixed_rate', 'fixed_delay')),
  start_at timestamptz(3),
  end_at timestamptz(3),
  max_runs integer check (max_runs >= 1),
  jitter_seconds integer not null default 0 check (jitter_seconds >= 0),
  params jsonb not null default '{}' check (jsonb_typeof(params) = 'object'),
  timeout_seconds double precision check (timeout_seconds > 0),
  overlap_policy text not null default 'skip' check (overlap_policy in ('skip', 'queue')),
  misfire_policy text not null default 'fire_once' check (misfire_policy in ('fire_once', 'skip', 'fire_all')),
  misfire_grace_seconds integer not null default 60 check (misfire_grace_seconds >= 0),
  max_attempts integer not null default 1 check (max_attempts >= 1),
  retry_backoff_seconds double precision not null default 5 check (retry_backoff_seconds >= 0),
  retry_max_backoff_seconds double precision not null default 3600 check (retry_max_backoff_seconds >= 0),
  crash_limit integer not null default 3 check (crash_limit >= 0),
  pause_after_failures integer check (pause_after_failures >= 1),
  tags text[] not null default '{}',
  -- The cursor: when the next occurrence that nobody has claimed is due, its jitter included. Null when there is none.
  next_run_at timestamptz(3),
  -- A run asked for by hand while one was open; it follows at once.
  run_queued_at timestamptz(3),
  -- Occurrences that ran, for max_runs; and those that failed since the last success.
  runs integer not null default 0,
  consecutive_failures integer not null default 0,
  paused_at timestamptz(3),
  paused_until timestamptz(3),
  pause_reason text,
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  constraint schedule_complete check (
    (schedule_type = 'interval') = (interval_seconds is not null)
    and (schedule_type = 'cron') = (cron_expression is not null)
  ),
  constraint ends_after_its_start check (end_at is null or start_at is null or end_at >= start_at),
  constraint only_paused_has_details check (
    paused_at is not null or (pause_reason is null and paused_until is null)
  )
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Serves the claim and GET /upcoming.
create index tasks_due on tasks (next_run_at) where paused_at is null and next_run_at is not null;

-- Few rows at a time: what the tick looks for besides due tasks.
create index tasks_run_queued on tasks (run_queued_at) where run_queued_at is not null;
create index tasks_paused_until on tasks (paused_until) where paused_until is not null;

create table executions (
  id bigint generated always as identity primary key,
  task_id integer not null references tasks (id) on delete cascade,
  -- The occurrence. For a skipped row the first of several.
  scheduled_for timestamptz(3) not null,
  attempt integer not null default 1 check (attempt >= 1),
  trigger text not null default 'schedule' check (trigger in ('schedule', 'manual', 'rerun')),
  status text not null check (
    status in ('queued', 'running', 'success', 'failed', 'timeout', 'lost', 'cancelled', 'skipped')
  ),
  -- Not before this instant: the occurrence itself, or the end of a retry's backoff.
  due_at timestamptz(3) not null,
  claim_id uuid,
  lease_expires_at timestamptz(3),
  started_at timestamptz(3),
  -- Asked to stop; its worker sees it at the next heartbeat.
  cancel_requested_at timestamptz(3),
  finished_at timestamptz(3),
  detail text,
  result jsonb,
  rerun_of bigint,
  skip_reason text check (skip_reason in ('overlap', 'misfire', 'paused', 'ended')),
  skipped_until timestamptz(3),
  skipped_count bigint check (skipped_count >= 1),

  constraint final_states_are_finished check (
    (finished_at is not null) = (status not in ('queued', 'running'))
  ),
  constraint started_when_it_ran check (
    case
      when status in ('queued', 'skipped') then started_at is null
      when status = 'cancelled' then true
      else started_at is not null
    end
  ),
  constraint running_is_claimed check (status <> 'running' or claim_id is not null),
  constraint skipped_is_never_claimed check (status <> 'skipped' or claim_id is null),
  -- A claim holds for as long as its lease, and only an open execution has one.
  constraint open_claims_are_leased check (
    (lease_expires_at is not null) = (status in ('queued', 'running') and claim_id is not null)
  ),
  constraint skipped_says_why check (
    (status = 'skipped') = (skip_reason is not null and skipped_until is not null and skipped_count is not null)
  ),
  -- An occurrence can't be created twice, however many ticks race. Also the order of a task's history.
  constraint occurrence_once unique (task_id, scheduled_for, attempt, trigger)
) with (fillfactor = 70);

-- A task never overlaps itself: the database refuses a second open execution.
create unique index executions_one_open on executions (task_id) where status in ('queued', 'running');

-- What nobody holds (retries, handed back, expired). An occurrence is inserted with its claim, so it never enters.
create index executions_unheld on executions (due_at) where status = 'queued' and claim_id is null;

-- What was answered to a POST that carried an Idempotency-Key. No status yet: it is still being worked on.
create table idempotency_keys (
  key text primary key check (length(key) between 1 and 255),
  request_hash bytea not null,
  status integer,
  headers jsonb,
  body jsonb,
  created_at timestamptz not null default now(),
  constraint answered_whole check ((status is null) = (body is null))
);

create index idempotency_keys_age on idempotency_keys (created_at);
