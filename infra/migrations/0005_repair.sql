-- A loss of what it holds says nothing about what it runs, and doesn't count for crash_limit: its row had been missing, or its worker could not
-- reach the database.
alter table claims add column blameless boolean not null default false;

-- How far the search for executions that no claim holds has come, for all replicas together: one row.
create table sweep (
  only_row boolean primary key default true check (only_row),
  -- The next page of task_state that is looked at, and when this pass over all of them began.
  next_page bigint not null default 0,
  pass_began_at timestamptz(3) not null default 'epoch',
  -- Nobody looks before this instant.
  due_at timestamptz(3) not null default 'epoch'
);
insert into sweep default values;
