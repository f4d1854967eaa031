import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { Precondition } from '../precondition.ts'

/** Returns the `ETag` header for a version (RFC 9110, 8.8.3). */
export const etag = (version: number): Record<string, string> => ({ etag: `"${version}"` })

/** Returns a weak tag for a response's content. Weak, since a proxy may compress the content on its way. */
export const contentTag = (body: string): string =>
  `W/"${createHash('sha1').update(body).digest('base64url')}"`

const TAG = `(?:W/)?"[^"]*"`
const TAGS = new RegExp(`^${TAG}(?:\\s*,\\s*${TAG})*$`)

/**
 * Parses `If-Match` (RFC 9110, 13.1.1). Weak tags, and tags that this API didn't create, match nothing. Throws
 * `bad_request` if the header isn't a list of tags.
 */
export function ifMatch(headers: Record<string, string | undefined>): Precondition {
  const header = headers['if-match']?.trim()
  if (header === undefined || header === '*') return header ?? null
  if (!TAGS.test(header)) {
    throw new AppError('bad_request', 'If-Match must be a list of entity tags, such as "3"')
  }
  return [...header.matchAll(new RegExp(TAG, 'g'))]
    .map(([tag]) => /^"(\d+)"$/.exec(tag)?.[1])
    .filter((version) => version !== undefined)
    .map(Number)
}

/** Returns whether `If-None-Match` (RFC 9110, 13.1.2) has this tag, so that the client needs no new copy. */
export function isCurrent(headers: Record<string, string | undefined>, tag: string): boolean {
  const header = headers['if-none-match']?.trim() ?? ''
  if (header === '*') return true
  const opaque = (it: string): string => it.replace(/^W\//, '')
  return [...header.matchAll(new RegExp(TAG, 'g'))].some(([known]) => opaque(known) === opaque(tag))
}
