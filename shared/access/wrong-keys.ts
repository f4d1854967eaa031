import { isIPv6 } from 'node:net'
import { crc32 } from 'node:zlib'
import RateLimiterMemory from 'rate-limiter-flexible/lib/RateLimiterMemory.js'
import { AppError } from '../errors.ts'

/** Number of wrong keys that a client may send in a minute. */
const POINTS = 20
const SECONDS = 60

/**
 * Addresses are counted in this many buckets, so that memory use is bounded. Two addresses that share a bucket also
 * share the limit, which only affects wrong keys.
 */
const BUCKETS = 4096

/** Slows down clients that guess keys. Only wrong keys count, so a request with a correct key is never slowed down. */
export class WrongKeys {
  readonly #limiter = new RateLimiterMemory({ points: POINTS, duration: SECONDS })
  // A random seed, so that nobody can choose an address that shares a victim's bucket.
  readonly #seed = Math.floor(Math.random() * 2 ** 32)
  readonly #message: string

  constructor(message = 'too many wrong keys from this address') {
    this.#message = message
  }

  /** Counts a wrong key. Throws `too_many_requests` if this client has sent too many. */
  async count(address: string): Promise<void> {
    try {
      await this.#limiter.consume(this.#bucketOf(address))
    } catch (limit) {
      throw tooMany(this.#message, limit)
    }
  }

  /** Throws `too_many_requests` if this client has sent as many as it may. For checks that are themselves costly. */
  async refuse(address: string): Promise<void> {
    const state = await this.#limiter.get(this.#bucketOf(address))
    if (state && state.consumedPoints >= POINTS) throw tooMany(this.#message, state)
  }

  #bucketOf(address: string): string {
    return String(crc32(networkOf(address), this.#seed) % BUCKETS)
  }
}

/** Returns the `too_many_requests` error for a limiter's rejection. */
export function tooMany(message: string, limit: unknown): AppError {
  // The in-memory limiter always rejects with its state, never with an Error.
  const { msBeforeNext } = limit as { msBeforeNext: number }
  return new AppError('too_many_requests', message, { retryAfterSeconds: Math.ceil(msBeforeNext / 1000) })
}

/**
 * Returns an IPv6 address's /64 network, which usually belongs to one client. An IPv4 address is returned unchanged.
 */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter(Boolean)
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter(Boolean).length
  return [...groups, ...Array<string>(missing).fill('0'), ...(tail ?? '').split(':')].slice(0, 4).join(':')
}
