/**
 * The versions that a change may replace, from `If-Match`: certain ones, or `*` for any existing version. Null: no
 * condition.
 */
export type Precondition = number[] | '*' | null
