-- Roll-ups of the ledger, for GET /stats. They outlive the rows that they count. See docs/adr/0021-roll-ups.md.

-- All tasks together. Each cell holds a number (the upper bits say of what) and its count (the lower 43 bits): see
-- shared/stats/cells.ts.
create table total_stats (
  width text not null check (width in ('minute', 'hour', 'day')),
  start timestamptz(3) not null,
  cells bigint[] not null,
  primary key (width, start)
) with (fillfactor = 70);

-- One row for each day on which a task ran or was skipped. No foreign key: it would lock the task's row at each insert.
-- Deleting a task deletes its rows.
create table task_stats (
  task_id integer not null,
  day date not null,
  cells bigint[] not null,
  primary key (task_id, day)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);

-- Finds what is too old to keep.
create index task_stats_day on task_stats (day);

-- How far the roll-ups have come, for all replicas together: one row. What ended before totals_until is in total_stats,
-- and what ended before tasks_until is in task_stats.
create table roll_up (
  only_row boolean primary key default true check (only_row),
  totals_until timestamptz(3) not null,
  tasks_until timestamptz(3) not null,
  -- Once all transactions before final_after have ended, everything that ended before final_until is in the ledger.
  final_until timestamptz(3),
  final_after xid8,
  -- Nobody counts before this instant.
  due_at timestamptz(3) not null default 'epoch',
  constraint tasks_follow_totals check (tasks_until <= totals_until)
);
-- A ledger that has rows already is counted from as far back as the roll-ups go.
insert into roll_up (totals_until, tasks_until)
select start, start
from (
  select case when exists (select from executions) then date_trunc('day', now() - interval '400 days') else now() end as start
) began;

-- Executions whose outcome was written so long after they ended that the roll-ups may have passed them. One row for each
-- roll-up that hasn't counted them.
create table late_settlements (
  roll_up text not null check (roll_up in ('totals', 'tasks')),
  execution_id bigint not null,
  primary key (roll_up, execution_id)
);
