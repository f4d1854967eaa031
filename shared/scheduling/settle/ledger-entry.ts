import { messageOf } from '../../errors.ts'
import type { RunError } from '../../runners/error-code.ts'
import type { Outcome } from '../../runners/outcome.ts'

/**
 * Maximum length, in characters, of a detail in the ledger, and of a result as JSON. The ledger isn't meant for
 * response bodies.
 */
const DETAIL_LIMIT = 10_000
const RESULT_LIMIT = 100_000

/** The part of an outcome that the ledger stores. */
export type LedgerEntry = { detail: string | null; errorCode: RunError | null; result: string | null }

/**
 * Converts an outcome to a form that PostgreSQL accepts. If PostgreSQL rejected it, the execution would not be recorded
 * as successful even though its work was done. A result that can't be stored is left out, and the detail says why.
 */
export function toLedgerEntry(outcome: Outcome, committed?: unknown): LedgerEntry {
  const detail = 'detail' in outcome ? cleanText(outcome.detail) : null
  const errorCode = 'errorCode' in outcome ? outcome.errorCode : null
  try {
    return {
      detail,
      errorCode,
      result: toJson(committed ?? ('result' in outcome ? outcome.result : undefined)),
    }
  } catch (error) {
    return {
      detail: cleanText(
        [detail, `its result could not be kept: ${messageOf(error)}`].filter(Boolean).join('; '),
      ),
      errorCode,
      result: null,
    }
  }
}

/** Returns an entry's approximate size in bytes. */
export const bytesOf = ({ detail, result }: LedgerEntry): number =>
  (detail?.length ?? 0) + (result?.length ?? 0)

/** Returns the text clipped to `DETAIL_LIMIT`, without NUL characters, which text columns reject. */
export function cleanText(text: string): string {
  const clipped = text.length > DETAIL_LIMIT ? `${text.slice(0, DETAIL_LIMIT - 1)}…` : text
  return clipped.replaceAll('\0', '\ufffd').toWellFormed()
}

/**
 * Matches every escape in JSON, and captures the escapes that `jsonb` rejects: NUL and lone surrogates. (JSON.stringify
 * never escapes surrogates that form a pair.)
 */
const ESCAPE = /\\(?:u(0000|d[89a-f]..)|.)/g

function toJson(result: unknown): string | null {
  const json: string | undefined = JSON.stringify(result)
  if (json === undefined) return null
  if (json.length > RESULT_LIMIT)
    throw new RangeError(`${json.length} characters of JSON exceed the limit of ${RESULT_LIMIT}`)
  // Most results have no escapes at all.
  if (!json.includes('\\')) return json
  return json.replace(ESCAPE, (found, refused) => (refused ? '\\ufffd' : found))
}
