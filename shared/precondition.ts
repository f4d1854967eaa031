/**
 * Which versions a change may replace: some, or, for `*`, whatever there is. Null: any. An `If-Match` header gives it.
 */
export type Precondition = number[] | '*' | null
