import * as z from 'zod'

/** What the browser keeps between leaving for the issuer and coming back. */
const attemptKept = z.strictObject({
  state: z.string().min(20),
  nonce: z.string().min(20),
  /** The PKCE code verifier. */
  verifier: z.string().min(43),
  /** The path that the person came from. */
  returnTo: z.string(),
})

export type Attempt = z.output<typeof attemptKept>

/** Returns an attempt as the value of a cookie. */
export const writeAttempt = (attempt: Attempt): string =>
  Buffer.from(JSON.stringify(attempt)).toString('base64url')

/** Returns the attempt in a cookie's value, or null if there is none. */
export function readAttempt(value: string | undefined): Attempt | null {
  try {
    return attemptKept.parse(JSON.parse(Buffer.from(value ?? '', 'base64url').toString()))
  } catch {
    return null
  }
}
