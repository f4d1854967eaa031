/** Minimum length of a text that is kept, and maximum total length of all kept texts. */
const LARGE = 16_384
const KEPT = 8 * 1024 * 1024

const decoded = new Map<string, Buffer>()
let kept = 0

/**
 * Decodes a body. The most recent large ones are kept, because files such as Swagger UI's are the same each time. A
 * thousand answers to slow clients then share one buffer.
 */
export const decodeBase64 = (text: string): Buffer => {
  if (text.length < LARGE || text.length > KEPT) return Buffer.from(text, 'base64')
  const known = decoded.get(text)
  if (known) return known
  const bytes = Buffer.from(text, 'base64')
  decoded.set(text, bytes)
  kept += text.length
  for (const oldest of decoded.keys()) {
    if (kept <= KEPT) break
    decoded.delete(oldest)
    kept -= oldest.length
  }
  return bytes
}
