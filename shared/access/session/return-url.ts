import * as z from 'zod'

/** A path of this API, such as /tasks?state=failing. Not //host, nor anything that browsers read as //. */
export const returnPath = z
  .string()
  .max(2000)
  .regex(
    /^\/([!-.0-[\]-~][!-[\]-~]*)?$/,
    'must be a path that starts with one slash, without spaces or backslashes',
  )

/** Returns the URL of a path below `publicUrl`. A path that leads elsewhere, or isn't one, counts as `/`. */
export function returnUrl(publicUrl: string, path: unknown): string {
  const home = new URL(`${publicUrl}/`)
  const parsed = returnPath.safeParse(path)
  const url = parsed.success ? URL.parse(publicUrl + parsed.data) : null
  const isBelow = url?.origin === home.origin && url.pathname.startsWith(home.pathname)
  return isBelow ? url.href : home.href
}
