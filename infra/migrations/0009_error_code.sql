-- Why an execution did not succeed, in machine-readable form: one of RUN_ERRORS. Null for successes, and for rows that
-- older versions write. The column takes no space in these rows.

-- Adding it is instant, but needs the table for itself. While this waits for a long read to end, everything else would
-- wait behind it. So it gives up quickly and tries again, for about two minutes.
do $$
begin
  for attempt in 1..300 loop
    begin
      set local lock_timeout = '200ms';
      alter table executions add column error_code text;
      exit;
    exception when lock_not_available then
      if attempt = 300 then
        raise;
      end if;
      perform pg_sleep(0.2);
    end;
  end loop;
end $$;
set local lock_timeout = 0;
