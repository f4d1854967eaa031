import { brotliDecompressSync, gunzipSync } from 'node:zlib'

/** Returns a body as text, after undoing its `content-encoding`. Throws if the body isn't in that encoding. */
export function decode(bytes: Buffer, encoding: unknown): string {
  if (encoding === 'br') return brotliDecompressSync(bytes).toString()
  if (encoding === 'gzip') return gunzipSync(bytes).toString()
  if (encoding !== undefined) throw new Error(`unexpected content-encoding ${encoding}`)
  return bytes.toString()
}
