-- An execution becomes a ledger row when it is claimed. A partial unique index prevents a second open row for a task.
create table tasks (
  id integer primary key,
  params jsonb not null
);

create table task_state (
  task_id integer primary key,
  interval_seconds integer,
  next_run_at timestamptz(3)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

create index task_state_due on task_state (next_run_at) where next_run_at is not null;

create table executions (
  id bigint generated always as identity primary key,
  task_id integer not null,
  scheduled_for timestamptz(3) not null,
  status text not null,
  claim_id uuid,
  lease_expires_at timestamptz(3),
  started_at timestamptz(3) not null,
  finished_at timestamptz(3),
  result jsonb
) with (fillfactor = 50);

create index executions_of_task on executions (task_id, scheduled_for);
create unique index executions_one_open on executions (task_id) where status in ('queued', 'running');
