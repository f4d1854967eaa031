import * as z from 'zod'
import { SCOPES, type Scope } from './scope.ts'

/** A key from the environment. */
export type ConfiguredKey = { name: string; scope: Scope; key: string }

/** A key with fewer characters can be guessed. */
const MIN_LENGTH = 16

/** Keys that anyone could have seen in an example. */
const KNOWN = ['changeme']

const sendable = z
  .string()
  .regex(
    /^[!-~]([ -~]*[!-~])?$/,
    'must be printable ASCII without leading or trailing spaces, because it is sent in a header',
  )

/** The value of API_KEY: a single key with the scope admin, as in the original. */
export const singleKey = sendable.regex(
  /^[^,]*$/,
  'must be a single key, without commas (API_KEYS takes several)',
)

/** `name:scope:key`, separated by commas. Two keys may have the same name, so that one can replace the other. */
export const keyList = z.string().transform((text, context): ConfiguredKey[] =>
  text.split(',').flatMap((entry, index) => {
    const [, name, scope, key] = /^\s*([\w.-]{1,63}):(\w+):(.*?)\s*$/.exec(entry) ?? []
    const known = SCOPES.find((it) => it === scope)
    if (name !== undefined && known && sendable.safeParse(key).success)
      return [{ name, scope: known, key: key ?? '' }]
    // The message leaves out the entry, since it may contain a key.
    context.addIssue(
      `must be a list of name:scope:key, where scope is one of ${SCOPES.join(', ')} (entry ${index + 1} isn't)`,
    )
    return []
  }),
)

/** Returns whether a key can be guessed. */
export const isWeak = ({ key }: ConfiguredKey): boolean => key.length < MIN_LENGTH || KNOWN.includes(key)

/** Throws if a key occurs twice, since it could then have two scopes. */
export function refuseRepeated(keys: ConfiguredKey[]): void {
  const repeated = keys.find(({ key }, index) => keys.findIndex((other) => other.key === key) < index)
  if (!repeated) return
  const names = keys.filter(({ key }) => key === repeated.key).map(({ name }) => name)
  throw new Error(`invalid configuration: API_KEYS: ${names.join(' and ')} have the same key`)
}

/** Throws if a key can be guessed. */
export function refuseWeak(keys: ConfiguredKey[]): void {
  const weak = keys.filter(isWeak).map(({ name }) => name)
  if (weak.length === 0) return
  throw new Error(
    `invalid configuration: weak key: ${weak.join(', ')}; other machines can reach this API, so use at least 16 random characters (openssl rand -hex 24), or set ALLOW_WEAK_KEY=true`,
  )
}
