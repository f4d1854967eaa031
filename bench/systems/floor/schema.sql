-- The minimum that a recurring scheduler writes: a narrow state row with the cursor and the open execution, and a
-- ledger of finished executions.
create table tasks (
  id integer primary key,
  params jsonb not null
);

create table task_state (
  task_id integer primary key,
  interval_seconds integer,
  next_run_at timestamptz(3),
  claim_id uuid,
  scheduled_for timestamptz(3),
  started_at timestamptz(3),
  lease_expires_at timestamptz(3)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

create index task_state_due on task_state (next_run_at) where next_run_at is not null;

create table executions (
  id bigint generated always as identity primary key,
  task_id integer not null,
  scheduled_for timestamptz(3) not null,
  status text not null,
  started_at timestamptz(3) not null,
  finished_at timestamptz(3) not null,
  result jsonb
);

create index executions_of_task on executions (task_id, scheduled_for);
