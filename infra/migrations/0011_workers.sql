-- The processes that run tasks, for GET /workers. Each writes its row every ten seconds.
create table workers (
  id uuid primary key,
  version text not null,
  runtime text not null check (runtime in ('container', 'lambda', 'offline')),
  host text not null,
  slots integer not null,
  started_at timestamptz(3) not null,
  last_seen_at timestamptz(3) not null default now(),
  last_tick_at timestamptz(3)
);

-- Who holds a claim. Null: a version of the code that doesn't write it. While this waits for its lock, claims would wait
-- behind it, so it gives up after a moment and tries again: for about two minutes, if something holds the table for long.
do $$
begin
  for attempt in 1..300 loop
    begin
      set local lock_timeout = '200ms';
      alter table claims add column worker_id uuid;
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
