-- no transaction
-- What failed last night? Successes and skips don't enter this index, so they cost nothing.
create index concurrently if not exists executions_failures on executions (finished_at) where status in ('failed', 'timeout', 'lost', 'cancelled');
