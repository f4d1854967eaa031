import { AppError } from '../../shared/errors.ts'
import { clientOf } from './client.ts'

/** Maximum number of bytes that the bodies of all unfinished requests may take. */
const TOTAL_BYTES = 32 * 1024 * 1024

/** The share of these bytes that one client may take. */
const SHARE = 1 / 4

/** How much memory the bodies of unfinished requests take, in total and for each client. */
export class BodyBudget {
  readonly #total: number
  readonly #byClient = new Map<string, number>()
  #used = 0

  constructor(totalBytes = TOTAL_BYTES) {
    this.#total = totalBytes
  }

  /** Returns an account for one request's body, with nothing taken yet. */
  open(address: string): BodyAccount {
    const client = clientOf(address)
    return new BodyAccount((bytes) => this.#change(client, bytes))
  }

  /** Returns false, and changes nothing, if the bodies would take too much. */
  #change(client: string, bytes: number): boolean {
    const ofClient = (this.#byClient.get(client) ?? 0) + bytes
    const isTooMuch = this.#used + bytes > this.#total || ofClient > this.#total * SHARE
    if (bytes > 0 && isTooMuch) return false
    this.#used += bytes
    if (ofClient === 0) this.#byClient.delete(client)
    else this.#byClient.set(client, ofClient)
    return true
  }
}

/** How much memory one request's body takes. */
export class BodyAccount {
  readonly #change: (bytes: number) => boolean
  #taken = 0
  #isClosed = false

  constructor(change: (bytes: number) => boolean) {
    this.#change = change
  }

  /** Takes more bytes. Throws `unavailable` if there is no room, or if the account has been closed. */
  take(bytes: number): void {
    if (this.#isClosed || !this.#change(bytes)) {
      throw new AppError('unavailable', 'the server is receiving too much at the moment', {
        retryAfterSeconds: 1,
      })
    }
    this.#taken += bytes
  }

  /** Gives everything back. Does nothing the second time. */
  close(): void {
    if (!this.#isClosed) this.#change(-this.#taken)
    this.#isClosed = true
  }
}
