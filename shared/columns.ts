import type { Fragment, Queryable } from './db.ts'

/**
 * Rows as columns: a single row of arrays. This pays off for hundreds of rows, because the driver spends as much time
 * on a single value as on a whole array. Each column is null if there are no rows.
 */
export type Columns<Row> = { [Key in keyof Row]: Row[Key][] | null }

/**
 * Returns a select list that reads rows as columns. `expressions`: an SQL expression for each column. The expressions
 * must not contain user input.
 */
export function columns<Row>(sql: Queryable, expressions: Record<keyof Row & string, string>): Fragment {
  const selected = Object.entries(expressions).map(([name, it]) => `json_agg(${it}) as "${name}"`)
  return sql.unsafe(selected.join(', '))
}

/**
 * Returns an SQL expression for a timestamp in milliseconds since 1970, for use in JSON. It also works for infinity.
 */
export const epochMs = (column: string): string => `round(date_part('epoch', ${column}) * 1000)`

/**
 * Calls `make` with the index of each row. `make` must read each column by name, since a loop over the names would take
 * ten times as long.
 */
export function mapRows<Row, Made>(columns: Columns<Row>, make: (index: number) => Made): Made[] {
  const [first] = Object.values<unknown[] | null>(columns)
  return Array.from({ length: first?.length ?? 0 }, (_, index) => make(index))
}

/** Returns a column's value in an existing row. */
export const cell = <Value>(column: Value[] | null, index: number): Value => column?.[index] as Value
