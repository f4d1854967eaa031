-- What an execution waited for that began a second or more after `due_at`: the answer to "why was it late?". By its number in LATE_REASONS, from 1: the
-- ledger has a row for each run, and most of a backlog are late.
alter table executions add column late_reason smallint;
