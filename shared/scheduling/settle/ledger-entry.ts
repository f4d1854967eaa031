import { messageOf } from '../../errors.ts'
import type { Outcome } from '../../runners/outcome.ts'

/** Characters of a detail, and of a result as JSON, that the ledger keeps: it is no place for a response body. */
const DETAIL_LIMIT = 10_000
const RESULT_LIMIT = 100_000

/** What the ledger keeps of an outcome. */
export type LedgerEntry = { detail: string | null; result: string | null }

/**
 * What an outcome says, as PostgreSQL takes it: a settlement that it refuses would be tried until the task is paused, and the
 * work done again each time. A result that can't be kept is left out, and the detail says why: the work was done all the same.
 */
export function toLedgerEntry(outcome: Outcome, committed?: unknown): LedgerEntry {
  const detail = 'detail' in outcome ? cleanText(outcome.detail) : null
  try {
    return { detail, result: toJson(committed ?? ('result' in outcome ? outcome.result : undefined)) }
  } catch (error) {
    return {
      detail: cleanText([detail, `its result is not kept: ${messageOf(error)}`].filter(Boolean).join('; ')),
      result: null,
    }
  }
}

/** Returns about how many bytes it has. */
export const bytesOf = ({ detail, result }: LedgerEntry): number =>
  (detail?.length ?? 0) + (result?.length ?? 0)

/** Without what a text column refuses (NUL), and no longer than it should be. */
export function cleanText(text: string): string {
  const clipped = text.length > DETAIL_LIMIT ? `${text.slice(0, DETAIL_LIMIT - 1)}…` : text
  return clipped.replaceAll('\0', '\ufffd').toWellFormed()
}

/** Escapes that `jsonb` refuses: NUL, and halves of surrogate pairs, which JSON.stringify writes as escapes only then. */
const ESCAPE = /\\(?:u(0000|d[89a-f]..)|.)/g

function toJson(result: unknown): string | null {
  const json: string | undefined = JSON.stringify(result)
  if (json === undefined) return null
  if (json.length > RESULT_LIMIT)
    throw new RangeError(`${json.length} characters of JSON are more than ${RESULT_LIMIT}`)
  // Most have no escapes at all.
  if (!json.includes('\\')) return json
  return json.replace(ESCAPE, (found, refused) => (refused ? '\\ufffd' : found))
}
