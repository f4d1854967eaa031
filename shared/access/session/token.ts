import { createHmac, randomBytes } from 'node:crypto'

/** Returns a new session's token: 256 random bits, as 43 characters that a cookie may have. */
export const newToken = (): string => randomBytes(32).toString('base64url')

/** Returns whether a cookie's value may be a token, so that nothing else is looked up. */
export const isToken = (text: string): boolean => /^[\w-]{43}$/.test(text)

/**
 * Returns the HMAC that ties a session to what it depends on, such as its key. The token is the HMAC's key, so a key
 * that people made up can't be guessed from the stored proof.
 */
export const proofOf = (token: string, basis: string | Buffer): Buffer =>
  createHmac('sha256', token).update(basis).digest()
