import { type Fragment, type Queryable, reusable } from '../db.ts'

/** The two roll-ups: of all tasks together, and of each task. */
export type RollUpName = 'totals' | 'tasks'

/**
 * An outcome that is written this long after the execution ended, in milliseconds, is noted for the roll-ups. It has to
 * be well below the age at which they count a minute (`FINAL_SECONDS`).
 */
export const LATE_MS = 10_000

/**
 * Returns the CTE `noted` for a statement whose CTE `ended` has the `execution_id` and `ended_at` of what it writes to
 * the ledger. Notes what the roll-ups may have passed already.
 */
export const noteLate = reusable(
  (sql: Queryable) => sql`
  , noted as (
    insert into late_settlements (roll_up, execution_id)
    select roll_up, execution_id
    from ended
    cross join (values ('totals'), ('tasks')) r (roll_up)
    where ended_at < statement_timestamp() - ${sql.unsafe(String(LATE_MS))} * interval '1 ms'
    on conflict do nothing
  )`,
)

/**
 * Returns the ledger rows `e` of noted executions, as a FROM item. `notes`: a table with their `execution_id`. There
 * are few, but the planner may expect many, so each is looked up by its key (`offset 0` prevents any other plan).
 */
export const notedRows = (sql: Queryable, notes: Fragment): Fragment => sql`
  (select execution_id from ${notes}) late
  cross join lateral (select * from executions x where x.id = late.execution_id offset 0) e`
