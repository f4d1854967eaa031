import RateLimiterMemory from 'rate-limiter-flexible/lib/RateLimiterMemory.js'
import { AppError } from '../errors.ts'
import type { Principal } from '../scope.ts'
import { tooMany } from './wrong-keys.ts'

/** Limits how many requests one caller may send to this process per minute, and how many may run at once. */
export class CallerLimits {
  readonly #perMinute: RateLimiterMemory | undefined
  readonly #maxConcurrent: number
  readonly #running = new Map<string, number>()

  constructor({
    rateLimitPerMinute,
    maxConcurrentRequests,
  }: {
    rateLimitPerMinute: number | undefined
    maxConcurrentRequests: number
  }) {
    this.#perMinute =
      rateLimitPerMinute === undefined
        ? undefined
        : new RateLimiterMemory({ points: rateLimitPerMinute, duration: 60 })
    this.#maxConcurrent = maxConcurrentRequests
  }

  /**
   * Counts a request, or throws `too_many_requests` if it exceeds a limit. `leave` must be called once the request
   * ends.
   */
  async enter({ id, name }: Principal): Promise<void> {
    const running = this.#running.get(id) ?? 0
    if (running >= this.#maxConcurrent) {
      throw new AppError('too_many_requests', `too many requests at once with the key ${name}`, {
        retryAfterSeconds: 1,
      })
    }
    this.#running.set(id, running + 1)
    try {
      await this.#perMinute?.consume(id)
    } catch (limit) {
      this.leave(id)
      throw tooMany(`too many requests with the key ${name}`, limit)
    }
  }

  leave(id: string): void {
    const running = this.#running.get(id) ?? 0
    if (running > 1) this.#running.set(id, running - 1)
    else this.#running.delete(id)
  }
}
