import type { Database, Queryable } from '../../db.ts'
import { warnOfEach } from '../../warn-of-each.ts'

/** Seconds that one pass over all tasks takes, and that lie between the beginnings of two. */
const PASS_SECONDS = 900
const REST_SECONDS = 30

/** A small table is read in one go: pages of a slice at least. */
const LEAST_PAGES = 256

/** Milliseconds between two slices. After a longer while without a tick a slice makes up for it, up to so many seconds. */
const SLICE_MS = 1000
const MOST_SECONDS = 60

/** Executions that one slice repairs at most; with more the same slice comes again. */
const REPAIRED = 1000

type Options = { leaseSeconds: number; leastPages?: number }

/** The slice of `task_state` to be looked at, in pages; `to` is not part of it. */
type Slice = { from: number; to: number; pages: number }

/**
 * Looks through a slice of all tasks for open executions whose claim has no row, or a row that doesn't name them: recover can't see
 * those, whatever brought them about (a bug, a hand in the database, a restored backup). Such a claim gets its row back, with one new
 * lease: a worker that lives renews it, else recover gives it back. Returns how many milliseconds later to call again.
 *
 * How far it came is in the database: all replicas share the work of one pass, and a restart goes on with it. It reads by physical
 * position. A row that is written moves, and may escape a pass; one that is stranded is written by nobody.
 */
export async function sweep(
  sql: Database,
  { leaseSeconds, leastPages = LEAST_PAGES }: Options,
): Promise<number> {
  const { repaired, askInMs } = await sql.begin(async (tx) => {
    const slice = await takeTurn(tx, leastPages)
    if (slice === undefined) return { repaired: [], askInMs: SLICE_MS }
    const repaired = await giveRowsBack(tx, slice, leaseSeconds)
    return { repaired, askInMs: await leaveTurn(tx, slice, repaired.length === REPAIRED) }
  })
  warnOfEach('execution had no claim: gave it one, with a new lease', repaired)
  return askInMs
}

/** Undefined when another replica is at it, or it isn't time yet. */
async function takeTurn(tx: Queryable, leastPages: number): Promise<Slice | undefined> {
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

/** Returns how many milliseconds later the next slice is due. */
async function leaveTurn(tx: Queryable, { from, to, pages }: Slice, again: boolean): Promise<number> {
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
