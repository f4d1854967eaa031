import { type Columns, columns, mapRows } from '../../columns.ts'
import { type Queryable, textBytes } from '../../db.ts'
import { AppError } from '../../errors.ts'
import { DEFINITION_COLUMNS, type Definition, type DefinitionRow, toDefinition } from './definition.ts'

/**
 * Maximum number of definitions in each generation, and maximum total size of their params in bytes. A definition takes
 * about a kilobyte.
 */
const MOST = 10_000
const MOST_BYTES = 16 * 2 ** 20

/** Definitions with params larger than this (bytes) aren't remembered; they are read each time. */
const MOST_BYTES_EACH = 64 * 2 ** 10

/**
 * Uncompressed params up to this size (bytes) are read for all of a claim's tasks at once. Together, they are a few
 * megabytes at most.
 */
const SMALL_BYTES = 2 ** 11

/**
 * Maximum total size of the larger params that one statement reads, in bytes. The next claim reads the rest. A single
 * task's params are always smaller.
 */
const READ_BYTES = 8 * 2 ** 20

/** `left`: ids of tasks left for later, because their params would have exceeded `READ_BYTES`. */
type Read = { found: Map<number, Definition>; left: Set<number> }

/**
 * Reads definitions, and remembers them in two generations. When the newer generation is full, it replaces the older
 * one, and a new one is started. A definition that is used moves to the newer generation.
 */
export class Definitions {
  #newer = new Map<number, Definition>()
  #older = new Map<number, Definition>()
  #newerBytes = 0

  /**
   * Returns definitions by task id. Tasks that no longer exist are left out. Each change that affects runs gives the
   * task a new `definition` number, which is also stored in its state. A transaction that has locked the state
   * therefore gets exactly the current version, usually from memory.
   */
  async read(tx: Queryable, wanted: { task_id: number; definition: number }[]): Promise<Read> {
    const found = new Map<number, Definition>()
    const missing: number[] = []
    for (const { task_id, definition } of wanted) {
      const known = this.#newer.get(task_id) ?? this.#older.get(task_id)
      if (known?.definition === definition) found.set(task_id, this.#remember(known))
      else missing.push(task_id)
    }
    if (missing.length === 0) return { found, left: new Set() }
    const small = await loadSmall(tx, missing)
    this.#keep(found, small)
    if (small.length === missing.length) return { found, left: new Set() }
    const large = missing.filter((id) => !found.has(id))
    const { definitions, seen } = await loadLarge(tx, large)
    this.#keep(found, definitions)
    return { found, left: new Set(large.slice(seen)) }
  }

  #keep(found: Map<number, Definition>, definitions: Definition[]): void {
    for (const definition of definitions) {
      found.set(definition.id, isOnce(definition) ? definition : this.#remember(definition))
    }
  }

  #remember(definition: Definition): Definition {
    const { id, bytes } = definition
    if (bytes > MOST_BYTES_EACH || this.#newer.get(id) === definition) return definition
    if (this.#newer.size >= MOST || this.#newerBytes >= MOST_BYTES) {
      ;[this.#newer, this.#older] = [new Map(), this.#newer]
      this.#newerBytes = 0
    }
    this.#newerBytes += bytes
    this.#newer.set(id, definition)
    return definition
  }
}

/**
 * Returns whether a definition belongs to a `once` task. Such definitions aren't remembered, since only a retry would
 * need them again.
 */
const isOnce = ({ schedule }: Definition): boolean =>
  !(schedule instanceof AppError) && schedule.kind === 'once'

async function loadSmall(tx: Queryable, ids: number[]): Promise<Definition[]> {
  const [found] = await tx<[Columns<DefinitionRow>]>`
    select ${columns<DefinitionRow>(tx, { ...DEFINITION_COLUMNS, bytes: 'pg_column_size(params)' })}
    from tasks
    where id = any(${ids}::int[])
      and pg_column_size(params) <= ${SMALL_BYTES} and pg_column_compression(params) is null`
  return mapRows(found, (index) => toDefinition(found, index))
}

/** Loads definitions in the order of `ids`, up to `READ_BYTES` of params. Also returns how many ids it got through. */
async function loadLarge(tx: Queryable, ids: number[]): Promise<{ definitions: Definition[]; seen: number }> {
  const [{ seen, ...found }] = await tx<[Columns<DefinitionRow> & { seen: number | null }]>`
    select ${columns<DefinitionRow>(tx, DEFINITION_COLUMNS)}, max(place)::int as seen
    from (
      select *, sum(bytes) over (order by place) as sum
      from (
        select t.*, w.place, ${textBytes(tx, tx`t.params`)} as bytes
        from unnest(${ids}::int[]) with ordinality as w (id, place)
        join tasks t on t.id = w.id
      ) sized
    ) summed
    where sum <= ${READ_BYTES} or sum = bytes`
  const definitions = mapRows(found, (index) => toDefinition(found, index))
  const isWhole = definitions.length === ids.length || seen === null
  return { definitions, seen: isWhole ? ids.length : seen }
}
