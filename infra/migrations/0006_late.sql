-- How many milliseconds after `due_at` it began, when that was a second or more, and what it waited for: the answer to "why was it late?".
alter table executions
  add column late_ms bigint,
  add column late_reason text;
