import type { Fragment, Queryable } from './db.ts'

/**
 * The rows of a set as one row of arrays, for hundreds and more: the driver takes as long for a cell as for such an array. Each column is null when there is
 * no row.
 */
export type Columns<Row> = { [Key in keyof Row]: Row[Key][] | null }

/** What to select from a set to get it as columns: each an expression in SQL, by the name that it gets. Never of what came from outside. */
export function columns<Row>(sql: Queryable, expressions: Record<keyof Row & string, string>): Fragment {
  const selected = Object.entries(expressions).map(([name, it]) => `json_agg(${it}) as "${name}"`)
  return sql.unsafe(selected.join(', '))
}

/** An instant as JSON: milliseconds since 1970, and no error when it is infinite. */
export const epochMs = (column: string): string => `round(date_part('epoch', ${column}) * 1000)`

/** What `make` makes of each row, by its number. It names each column: a loop over their names would take ten times as long. */
export function mapRows<Row, Made>(columns: Columns<Row>, make: (index: number) => Made): Made[] {
  const [first] = Object.values<unknown[] | null>(columns)
  return Array.from({ length: first?.length ?? 0 }, (_, index) => make(index))
}

/** A column's value in one of the rows that there are. */
export const cell = <Value>(column: Value[] | null, index: number): Value => column?.[index] as Value
