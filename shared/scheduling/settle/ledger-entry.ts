import { messageOf } from '../../errors.ts'
import type { Outcome } from '../../runners/outcome.ts'

/** How many characters of a detail, and of a result as JSON, the ledger keeps. It is no place for response bodies. */
const DETAIL_LIMIT = 10_000
const RESULT_LIMIT = 100_000

/** What the ledger keeps of an outcome. */
export type LedgerEntry = { detail: string | null; result: string | null }

/**
 * Returns an outcome in a form that PostgreSQL accepts. Otherwise the settlement would fail, and the work would be
 * repeated until the task is paused. A result that can't be stored is left out, and the detail says why, since the work
 * was done.
 */
export function toLedgerEntry(outcome: Outcome, committed?: unknown): LedgerEntry {
  const detail = 'detail' in outcome ? cleanText(outcome.detail) : null
  try {
    return { detail, result: toJson(committed ?? ('result' in outcome ? outcome.result : undefined)) }
  } catch (error) {
    return {
      detail: cleanText(
        [detail, `its result could not be kept: ${messageOf(error)}`].filter(Boolean).join('; '),
      ),
      result: null,
    }
  }
}

/** Returns about how many bytes it has. */
export const bytesOf = ({ detail, result }: LedgerEntry): number =>
  (detail?.length ?? 0) + (result?.length ?? 0)

/** Returns a text without NUL, which a text column refuses, and no longer than allowed. */
export function cleanText(text: string): string {
  const clipped = text.length > DETAIL_LIMIT ? `${text.slice(0, DETAIL_LIMIT - 1)}…` : text
  return clipped.replaceAll('\0', '\ufffd').toWellFormed()
}

/** Escapes that `jsonb` refuses: NUL, and halves of surrogate pairs, for which alone JSON.stringify writes escapes. */
const ESCAPE = /\\(?:u(0000|d[89a-f]..)|.)/g

function toJson(result: unknown): string | null {
  const json: string | undefined = JSON.stringify(result)
  if (json === undefined) return null
  if (json.length > RESULT_LIMIT)
    throw new RangeError(`${json.length} characters of JSON are more than ${RESULT_LIMIT}`)
  // Most texts have no escapes at all.
  if (!json.includes('\\')) return json
  return json.replace(ESCAPE, (found, refused) => (refused ? '\\ufffd' : found))
}
