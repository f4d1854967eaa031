with made as (
  insert into tasks (id, params)
  select i + coalesce((select max(id) from tasks), 0), '{"duration": 0}'
  from generate_series(1, $1::int) i
  returning id
)
insert into task_state (task_id, interval_seconds, next_run_at)
select id, $4::int, to_timestamp(($2::float8 + round((row_number() over () - 1) * $3::float8)) / 1000)
from made
