import { isIP } from 'node:net'
import * as z from 'zod'

/** true or false, in the usual spellings. */
export const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off']))
  .transform((value) => ['true', '1', 'yes', 'on'].includes(value))

/** A whole number between two bounds, inclusive. */
export const whole = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

export const webUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })

/** Returns whether a URL consists of an origin and a path only. */
export const isPlainUrl = (text: string): boolean => {
  const { username = '', password = '', search = '', hash = '' } = URL.parse(text) ?? {}
  return username + password + search + hash === ''
}

/** Returns whether every % starts an escape. The driver fails on any other %, without naming the setting. */
export const isDecodable = (text: string): boolean => !/%(?![\da-f]{2})/i.test(text)

/** A list, separated by commas. */
export const listOf = (item: z.ZodType<string, string>) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item))

/** A web origin, as browsers send it. */
export const origin = z
  .string()
  .refine((text) => URL.parse(text)?.origin === text, 'must be an origin, such as https://example.org')

const PROXY_NETWORKS = ['loopback', 'linklocal', 'uniquelocal']

/** An address or a network, or one of Express's names for private networks. */
export const proxyAddress = z.string().refine((text) => {
  const [address = '', bits, ...rest] = text.split('/')
  if (PROXY_NETWORKS.includes(text)) return true
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return (
    rest.length === 0 && most >= 0 && (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most))
  )
}, 'must be a number of proxies, or a list of addresses and networks such as 10.0.0.0/8')
