import { logger } from '../../shared/logger.ts'

/** Minimum number of milliseconds between two log lines, and between the first cut and its line. */
const APART_MS = 10_000
const FIRST_MS = 1000

/** Maximum number of clients that are counted separately. */
const CLIENTS = 1000

/** Logs how many connections were cut. One line covers many cuts, so that an attack can't fill the log. */
export class CutLog {
  #reasons: Record<string, number> = {}
  #clients = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #saidAt = Number.NEGATIVE_INFINITY

  count(reason: string, client: string): void {
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1
    const before = this.#clients.get(client)
    if (before !== undefined || this.#clients.size < CLIENTS) this.#clients.set(client, (before ?? 0) + 1)
    const waitMs = Math.max(FIRST_MS, this.#saidAt + APART_MS - performance.now())
    this.#timer ??= setTimeout(() => this.tell(), waitMs).unref()
  }

  /** Logs what has been counted, if anything. */
  tell(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    const [[address, most] = []] = [...this.#clients].toSorted(([, a], [, b]) => b - a)
    logger.warn('connections cut', { ...this.#reasons, most_from: address, most })
    this.#saidAt = performance.now()
    this.#timer = undefined
    this.#reasons = {}
    this.#clients.clear()
  }
}
