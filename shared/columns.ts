import type { Fragment, Queryable } from './db.ts'

/**
 * The rows of a set as one row of arrays. Worth it for hundreds of rows: the driver takes as long for one cell as for a
 * whole array. Each column is null if there are no rows.
 */
export type Columns<Row> = { [Key in keyof Row]: Row[Key][] | null }

/**
 * Returns what to select to get rows as columns: for each name, an SQL expression. The expressions must not come from
 * outside.
 */
export function columns<Row>(sql: Queryable, expressions: Record<keyof Row & string, string>): Fragment {
  const selected = Object.entries(expressions).map(([name, it]) => `json_agg(${it}) as "${name}"`)
  return sql.unsafe(selected.join(', '))
}

/** Returns an expression for an instant as JSON: milliseconds since 1970, which also works for infinity. */
export const epochMs = (column: string): string => `round(date_part('epoch', ${column}) * 1000)`

/**
 * Calls `make` for each row, by its index. It reads each column by name, since a loop over names would take ten times
 * as long.
 */
export function mapRows<Row, Made>(columns: Columns<Row>, make: (index: number) => Made): Made[] {
  const [first] = Object.values<unknown[] | null>(columns)
  return Array.from({ length: first?.length ?? 0 }, (_, index) => make(index))
}

/** Returns a column's value in a row that exists. */
export const cell = <Value>(column: Value[] | null, index: number): Value => column?.[index] as Value
