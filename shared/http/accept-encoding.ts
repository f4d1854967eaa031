/** In our order of preference, which decides between encodings that a client weights equally. */
const ENCODINGS = ['br', 'gzip', 'identity'] as const

export type Encoding = (typeof ENCODINGS)[number]

const ITEM = /^([^\s;]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?$/i

/**
 * Returns the encoding that the client prefers (RFC 9110, 12.5.3). Returns `identity`, which every client can read,
 * if there is no header or if the client accepts none of these encodings.
 */
export function chooseEncoding(header = ''): Encoding {
  const weights = readWeights(header)
  const weightOf = (encoding: Encoding): number => weights.get(encoding) ?? weights.get('*') ?? 0
  const best = ENCODINGS.reduce((a, b) => (weightOf(b) > weightOf(a) ? b : a))
  return weightOf(best) > 0 ? best : 'identity'
}

/** Returns the weight of each encoding in the header, from 0 to 1. Skips items that aren't valid. */
function readWeights(header: string): Map<string, number> {
  const items = header.split(',').map((item) => ITEM.exec(item.trim()))
  return new Map(
    items.flatMap((item) => {
      const [, name, weight = '1'] = item ?? []
      return name === undefined ? [] : [[name.toLowerCase().replace(/^x-/, ''), Number(weight)] as const]
    }),
  )
}
