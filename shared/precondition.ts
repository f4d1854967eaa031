/**
 * The versions that a change may replace, from `If-Match`: specific versions, or `*` for any existing version. Null
 * means no condition.
 */
export type Precondition = number[] | '*' | null
