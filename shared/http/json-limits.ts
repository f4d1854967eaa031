import type { MiddlewareObj } from '@middy/core'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { invalid } from '../errors.ts'

/** Maximum depth of nested objects and lists, including the body itself. */
const DEPTH = 32

/** Maximum number of fields and list items in a body, at all levels. */
const VALUES = 20_000

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
/** `{` and `}`. With this bit set, `[` and `]` have the same codes. */
const [OPENING, CLOSING, BIT] = [0x7b, 0x7d, 0x20]

/**
 * Rejects a body that is nested too deeply or has too many values, before it is parsed. Parsing and validating need
 * stack space for each level, and time for each value: 130,000 list items blocked the process for 0.1 s. Throws
 * `invalid`.
 */
export function limitJson(): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    before({ event: { body, isBase64Encoded } }) {
      const text = isBase64Encoded ? Buffer.from(body ?? '', 'base64').toString() : (body ?? '')
      const detail = jsonFault(text)
      if (detail !== undefined) throw invalid([{ pointer: '#', detail }])
    },
  }
}

/** Returns which limit a JSON text exceeds, if any. The text may be malformed. */
function jsonFault(text: string): string | undefined {
  let [depth, values] = [0, 0]
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COMMA) values += 1
    else if ((code | BIT) === CLOSING) depth -= 1
    else if ((code | BIT) === OPENING) {
      depth += 1
      // Its first value has no comma before it.
      values += 1
    }
    if (depth > DEPTH) return `is nested deeper than ${DEPTH} levels`
    if (values > VALUES) return `has more than ${VALUES} values`
  }
  return undefined
}

/** Returns the index of the quote that ends the string at `start`, or the text's length if there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === BACKSLASH) before -= 1
    // If the number of backslashes is even, each pair is an escaped backslash, so the quote isn't escaped.
    if ((end - 1 - before) % 2 === 0) return end
  }
  return text.length
}
