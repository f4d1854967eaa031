import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * An API key from the table: the prefix, the key's id, 192 random bits and a checksum, in hexadecimal. Secret scanners
 * find keys by this pattern. The id says which row to compare with, and the checksum (CRC-32, as in GitHub's tokens)
 * rejects mistyped keys without a query.
 */
const PATTERN = /^tsk_([1-9]\d{0,14})_[0-9a-f]{48}([0-9a-f]{8})$/

/** Returns a new key for the row with this id. */
export function generateKey(id: number): string {
  const text = `tsk_${id}_${randomBytes(24).toString('hex')}`
  return text + checksum(text)
}

/** Returns the id of the row that a key belongs to; null if this isn't a key from the table. */
export function idOf(key: string): number | null {
  const [, id, given] = PATTERN.exec(key) ?? []
  return given !== undefined && checksum(key.slice(0, -8)) === given ? Number(id) : null
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0')

/** Returns a key's SHA-256. Keys are random, so a slow hash would add nothing. */
export const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest()
