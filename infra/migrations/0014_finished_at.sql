-- no transaction
-- Finds what ended in a window of time: the part of it that isn't rolled up yet. A ledger is nearly in this order. One entry per megabyte.
create index concurrently if not exists executions_finished on executions using brin (finished_at) with (autosummarize = on);
