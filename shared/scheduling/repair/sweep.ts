import type { Database, Queryable } from '../../db.ts'
import { warnOfEach } from '../../warn-of-each.ts'

/**
 * A pass over all tasks takes up to `PASS_SECONDS`. Passes start at least `REST_SECONDS` apart.
 */
const PASS_SECONDS = 900
const REST_SECONDS = 30

/** Minimum number of pages in a slice, so that a small table is read in one slice. */
const LEAST_PAGES = 256

/**
 * Milliseconds between two slices. After a period without ticks, the next slice also covers the time missed, up to
 * `MOST_SECONDS`.
 */
const SLICE_MS = 1000
const MOST_SECONDS = 60

/** Maximum number of executions that one slice repairs. If there are more, the same slice is repeated. */
const REPAIRED = 1000

type Options = {
  leaseSeconds: number
  leastPages?: number
  /** Called with the number of executions whose claim was restored. */
  onRepaired?: (count: number) => void
}

/** A range of pages of `task_state`. `to` is exclusive. */
type Slice = { from: number; to: number; pages: number }

/**
 * Searches a slice of all tasks for open executions whose claim has no row, or has a row that doesn't list their task.
 * `recover` can't see such executions. A bug, a manual change or a restored backup may have caused the mismatch.
 * Inserts the missing row with a new lease, or adds the tasks to the existing row. If the worker is alive, it renews
 * the lease; otherwise `recover` takes over. Returns the milliseconds until the next call.
 *
 * The database stores the sweep's position, so all replicas share one pass, and a restarted replica continues it. The
 * sweep reads rows in physical order. A row that is updated during a pass may move and be missed, but no process
 * updates the rows that the sweep looks for.
 */
export async function sweep(
  sql: Database,
  { leaseSeconds, leastPages = LEAST_PAGES, onRepaired = () => {} }: Options,
): Promise<number> {
  const { repaired, askInMs } = await sql.begin(async (tx) => {
    const slice = await claimSlice(tx, leastPages)
    if (slice === undefined) return { repaired: [], askInMs: SLICE_MS }
    const repaired = await giveRowsBack(tx, slice, leaseSeconds)
    return { repaired, askInMs: await finishSlice(tx, slice, repaired.length === REPAIRED) }
  })
  onRepaired(repaired.length)
  warnOfEach(
    'execution had no claim: restored the claim, with a new lease',
    repaired.map(({ id, task_id }) => ({ execution_id: id, task_id })),
  )
  return askInMs
}

/** Returns the next slice, or undefined if another replica is sweeping or the slice isn't due yet. */
async function claimSlice(tx: Queryable, leastPages: number): Promise<Slice | undefined> {
  const [turn] = await tx<[{ from: number; pages: number; late: number }?]>`
    select next_page as from, pg_relation_size('task_state') / current_setting('block_size')::int as pages,
      least(extract(epoch from now() - due_at), ${MOST_SECONDS})::float8 as late
    from sweep
    where due_at <= now()
    for update skip locked`
  if (turn === undefined) return undefined
  const count = Math.max(leastPages, Math.ceil((turn.pages * (SLICE_MS / 1000 + turn.late)) / PASS_SECONDS))
  return { from: turn.from, to: turn.from + count, pages: turn.pages }
}

async function giveRowsBack(
  tx: Queryable,
  { from, to }: Slice,
  leaseSeconds: number,
): Promise<{ id: number; task_id: number }[]> {
  return await tx<{ id: number; task_id: number }[]>`
    with stranded as (
      select s.execution_id as id, s.task_id, s.claim_id
      from task_state s
      where s.ctid >= ${`(${from},0)`}::tid and s.ctid < ${`(${to},0)`}::tid
        and s.status is not null and s.claim_id is not null
        and not exists (select from claims c where c.id = s.claim_id and s.task_id = any(c.task_ids))
      limit ${REPAIRED}
    ),
    given as (
      insert into claims as c (id, lease_expires_at, task_ids, blameless)
      select claim_id, now() + make_interval(secs => ${leaseSeconds}), array_agg(task_id), true
      from stranded
      group by claim_id
      on conflict (id) do update set task_ids = c.task_ids || excluded.task_ids, blameless = true
    )
    select id, task_id from stranded`
}

/** Stores where the next slice begins. Returns the milliseconds until it is due. */
async function finishSlice(tx: Queryable, { from, to, pages }: Slice, again: boolean): Promise<number> {
  const isLast = to >= pages
  const next = again ? from : isLast ? 0 : to
  const [{ inMs }] = await tx<[{ inMs: number }]>`
    update sweep
    set next_page = ${next},
      pass_began_at = case when ${from}::bigint = 0 then now() else pass_began_at end,
      due_at = greatest(
        now() + make_interval(secs => ${SLICE_MS / 1000}),
        case when ${isLast && !again} then
          (case when ${from}::bigint = 0 then now() else pass_began_at end) + make_interval(secs => ${REST_SECONDS})
        end
      )
    returning (extract(epoch from due_at - now()) * 1000)::float8 as "inMs"`
  return inMs
}
