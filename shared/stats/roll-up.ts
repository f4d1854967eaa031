import { type Database, type Fragment, type Queryable, wasTooSlow } from '../db.ts'
import { addTasks, addTotals, countedColumns } from './add.ts'
import { KEPT, WIDTHS } from './kept.ts'
import { notedRows, type RollUpName } from './late-settlements.ts'

/** Seconds between two steps when nothing is left to count. */
const REST_SECONDS = 10

/** What ended this many seconds ago is counted as soon as the transactions that are open now have ended. */
const FINAL_SECONDS = 30

/**
 * Minutes to wait for old transactions to end. This product's own transactions are cut off much sooner, so an older one
 * writes something else.
 */
const OPEN_MINUTES = 10

/** How many ledger rows a step should count. It then takes a few tenths of a second. It may count twice as many. */
const ROWS: Record<RollUpName, number> = { totals: 25_000, tasks: 50_000 }

/**
 * Each task's roll-up waits until this much time, in milliseconds, or `ROWS.tasks` rows, can be counted at once. Adding
 * to a row writes all of it again, so it should have several runs to add.
 */
const TASKS_MS = 600_000

/** If the totals are at most this far ahead of the tasks, in milliseconds, their density is that of the tasks' part. */
const NEAR_MS = 2 * TASKS_MS

const LONGEST_MS = KEPT.day.forMs

/** How much longer a part may be than the one before, since the ledger may be denser there. */
const FACTOR = 4

/** Keeps track of how dense the ledger is, to decide how much of it a step counts. */
export class Pace {
  /** Ledger rows per millisecond where each roll-up has come to. */
  readonly #density: Record<RollUpName, number> = { totals: 1, tasks: 1 }

  /**
   * Returns the milliseconds in which about this many rows ended, after where this roll-up has come to. `aheadMs`: how
   * far the totals are ahead of it. If that isn't far, they have already seen what comes next.
   */
  span(name: RollUpName, rows: number, aheadMs: number): number {
    const isNear = aheadMs <= NEAR_MS
    const density = isNear ? Math.max(this.#density.totals, this.#density[name]) : this.#density[name]
    return Math.max(1, Math.min(LONGEST_MS, Math.floor(rows / density)))
  }

  counted(name: RollUpName, rows: number, ms: number): void {
    this.#density[name] = Math.max(rows / ms, this.#density[name] / FACTOR)
  }

  tooSlow(): void {
    this.#density.totals *= FACTOR
    this.#density.tasks *= FACTOR
  }
}

/** How far the roll-ups have come. Before `final_until`, no rows are added to the ledger unless they are noted. */
type Turn = { totals_until: Date; tasks_until: Date; final_until: Date | null; is_final: boolean | null }

/** See `TASKS_MS`, `FINAL_SECONDS` and `ROWS`. */
type Options = { tasksMs?: number; finalSeconds?: number; rows?: Record<RollUpName, number> }

/**
 * Counts the next part of the ledger for the totals and for each task, and removes what is too old. Does nothing if
 * another replica is counting. Returns the milliseconds until the next call.
 *
 * The ledger's rows aren't written in the order in which they ended, so a part is counted only once it can't change:
 * see docs/adr/0021-roll-ups.md.
 */
export async function rollUp(
  sql: Database,
  pace: Pace,
  { tasksMs = TASKS_MS, finalSeconds = FINAL_SECONDS, rows = ROWS }: Options = {},
): Promise<number> {
  try {
    return await sql.begin((tx) => step(tx, pace, { tasksMs, finalSeconds, rows }))
  } catch (error) {
    if (wasTooSlow(error)) pace.tooSlow()
    throw error
  }
}

async function step(tx: Queryable, pace: Pace, options: Required<Options>): Promise<number> {
  const turn = await claimTurn(tx)
  if (!turn) return REST_SECONDS * 1000
  const { finalSeconds, rows } = options
  const countTo = async (name: RollUpName, part: Part): Promise<Date> => {
    const short = await halve(tx, part, 2 * rows[name])
    await count(tx, name, short, pace)
    return short.to
  }
  const totals = totalsPart(turn, pace, options)
  const between = { ...turn, totals_until: totals ? await countTo('totals', totals) : turn.totals_until }
  // Each task's roll-up follows the totals, so those come first until they have caught up.
  const isPartLeft = totalsPart(between, pace, options) !== undefined
  const tasks = isPartLeft ? undefined : tasksPart(between, pace, options)
  const now = { ...between, tasks_until: tasks ? await countTo('tasks', tasks) : turn.tasks_until }
  await prune(tx)
  const restMs = isPartLeft || tasksPart(now, pace, options) ? 0 : REST_SECONDS * 1000
  // While a part waits for transactions to end, it stays the next one.
  await finish(tx, now, { restMs, finalSeconds, isNextKnown: isPartLeft || turn.is_final === false })
  return restMs
}

async function claimTurn(tx: Queryable): Promise<Turn | undefined> {
  const [turn] = await tx<[Turn?]>`
    select totals_until, tasks_until, final_until,
      final_after <= pg_snapshot_xmin(pg_current_snapshot())
        or final_until < now() - make_interval(mins => ${OPEN_MINUTES}) as is_final
    from roll_up
    where due_at <= now()
    for update skip locked`
  return turn
}

type Part = { from: Date; to: Date }

function totalsPart(turn: Turn, pace: Pace, { rows }: Required<Options>): Part | undefined {
  const { totals_until: from, final_until, is_final } = turn
  if (!is_final || !final_until || final_until <= from) return undefined
  return { from, to: earlier(final_until, after(from, pace.span('totals', rows.totals, 0))) }
}

function tasksPart(turn: Turn, pace: Pace, { tasksMs, rows }: Required<Options>): Part | undefined {
  const { totals_until: end, tasks_until: from } = turn
  const waiting = end.getTime() - from.getTime()
  const span = pace.span('tasks', rows.tasks, waiting)
  if (waiting === 0 || waiting < Math.min(span, tasksMs)) return undefined
  return { from, to: earlier(end, after(from, span)) }
}

const after = (instant: Date, ms: number): Date => new Date(instant.getTime() + ms)
const earlier = (a: Date, b: Date): Date => (a < b ? a : b)

/**
 * Halves a part until it has at most `most` ledger rows, since the ledger may be much denser there than before. Reads
 * little more than that many rows each time, so it can't take too long itself.
 */
async function halve(tx: Queryable, { from, to }: Part, most: number): Promise<Part> {
  const [{ rows }] = await tx<[{ rows: number }]>`
    select count(*) as rows
    from (
      select from executions
      where finished_at >= ${from}::timestamptz and finished_at < ${to}::timestamptz
      limit ${most + 1}
    ) few`
  const ms = to.getTime() - from.getTime()
  if (rows <= most || ms <= 1) return { from, to }
  return await halve(tx, { from, to: after(from, Math.max(1, Math.floor(ms / 2))) }, most)
}

/** Adds to a roll-up what ended within a part, and what has been noted of earlier parts. */
async function count(tx: Queryable, name: RollUpName, { from, to }: Part, pace: Pace): Promise<void> {
  const add: (sql: Queryable, counted: Fragment) => Fragment = name === 'totals' ? addTotals : addTasks
  const [{ rows }] = await tx<[{ rows: number }]>`
    with notes as (
      delete from late_settlements where roll_up = ${name} returning execution_id
    ),
    counted as (
      select ${countedColumns(tx)}
      from executions e
      where e.finished_at >= ${from}::timestamptz and e.finished_at < ${to}::timestamptz
      union all
      select ${countedColumns(tx)}
      from ${notedRows(tx, tx`notes`)}
      where e.finished_at < ${from}::timestamptz
    ),
    ${add(tx, tx`counted`)}
    select count(*) as rows from counted`
  pace.counted(name, rows, to.getTime() - from.getTime())
}

type Finish = { restMs: number; finalSeconds: number; isNextKnown: boolean }

/** Stores how far the roll-ups have come and, unless it is known, up to where they come next. */
async function finish(
  tx: Queryable,
  { totals_until, tasks_until }: Turn,
  { restMs, finalSeconds, isNextKnown }: Finish,
): Promise<void> {
  await tx`
    update roll_up
    set totals_until = ${totals_until}::timestamptz, tasks_until = ${tasks_until}::timestamptz,
      final_until = case
        when ${isNextKnown} then final_until
        else greatest(${totals_until}::timestamptz, date_trunc('milliseconds', now()) - make_interval(secs => ${finalSeconds}))
      end,
      final_after = case when ${isNextKnown} then final_after else pg_snapshot_xmax(pg_current_snapshot()) end,
      due_at = now() + make_interval(secs => ${restMs / 1000})`
}

/** Maximum number of rows that one step removes. */
const PRUNED = 5000

async function prune(tx: Queryable): Promise<void> {
  const ageMs = (width: keyof typeof KEPT): number => KEPT[width].forMs + KEPT[width].ms
  await tx`
    delete from total_stats s
    using unnest(${[...WIDTHS]}::text[], ${WIDTHS.map(ageMs)}::float8[]) k (width, age_ms)
    where s.width = k.width and s.start < now() - k.age_ms * interval '1 ms'`
  await tx`
    delete from task_stats
    where ctid = any(array(
      select ctid from task_stats where day < (now() - ${ageMs('day')}::float8 * interval '1 ms')::date limit ${PRUNED}
    ))`
}
