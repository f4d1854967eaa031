import type { Fragment, Queryable } from './db.ts'

/** The rows of a set as one row of arrays. For hundreds of rows the driver takes as long for a cell as for such an array. */
export type Columns<Row> = { [Key in keyof Row]: Row[Key][] | null }

/** What to select from a set to get it as columns: each an expression in SQL, by the name that it gets. Never of what came from outside. */
export function columns<Row>(sql: Queryable, expressions: Record<keyof Row & string, string>): Fragment {
  const selected = Object.entries(expressions).map(([name, it]) => `json_agg(${it}) as "${name}"`)
  return sql.unsafe(selected.join(', '))
}

/** An instant as JSON: milliseconds since 1970. */
export const epochMs = (column: string): string => `(date_part('epoch', ${column}) * 1000)::bigint`

export function toRows<Row>(columns: Columns<Row>): Row[] {
  const cells = Object.entries(columns) as [keyof Row, unknown[] | null][]
  const count = cells[0]?.[1]?.length ?? 0
  return Array.from({ length: count }, (_, index) => {
    const row = {} as Record<keyof Row, unknown>
    for (const [key, column] of cells) row[key] = column?.[index]
    return row as Row
  })
}
