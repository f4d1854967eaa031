import { monitorEventLoopDelay } from 'node:perf_hooks'
import { childrenCpuUs } from '../measure/proc.ts'
import { quantile } from '../measure/quantile.ts'
import { nowMs } from '../measure/usage.ts'
import type { Summary } from './protocol.ts'

/** Enough for every lateness row, and few enough not to burden the long ones. */
const KEPT = 200_000

const PROGRESS_MS = 20

/**
 * How often the thread's CPU time is read: some 25 ms a second of each system's measured cost, most of it the timer.
 */
const SAMPLE_MS = 5

/**
 * Notes when runs start. What it does in `started` is part of every system's measured cost: a few hundred nanoseconds;
 * so is what it samples.
 */
export class Recorder {
  readonly #lateness: number[] = []
  readonly #tell: (runs: number) => void
  readonly #delay = monitorEventLoopDelay({ resolution: 10 })
  #ownMaxMs = 0
  #told = 0
  #runs = 0
  #early = 0
  #beganMs = 0
  #firstStartMs = 0
  #lastStartMs = 0
  #cpu: NodeJS.CpuUsage = process.cpuUsage()
  #childrenUs = 0
  /** What its own child processes use counts too: pgbench. */
  withChildren = false

  /**
   * `tell` gets 0 at the beginning, the number of runs at the first one, and then every 20 ms in which it has changed.
   */
  constructor(tell: (runs: number) => void) {
    this.#tell = tell
    setInterval(() => this.#report(), PROGRESS_MS).unref()
  }

  /** A handler starts; its run was due at `dueMs`. */
  started(dueMs: number): void {
    const now = nowMs()
    this.begin()
    if (this.#runs === 0) this.#firstStartMs = now
    this.#runs += 1
    this.#lastStartMs = now
    if (this.#lateness.length < KEPT) this.#lateness.push(now - dueMs)
    // By the clock that everybody shares: this process' own one may have drifted from it since its start.
    if (Date.now() < dueMs) this.#early += 1
    if (this.#runs === 1) this.#report()
  }

  /**
   * The clock of a measurement starts once the system has started, or with its first run if that comes before: no
   * system pays for its start-up in a row on throughput, and each pays for its first claim. Later calls change nothing.
   */
  begin(): void {
    if (this.#beganMs !== 0) return
    this.#beganMs = nowMs()
    this.#cpu = process.cpuUsage()
    this.#childrenUs = this.#children()
    this.#delay.enable()
    this.#watchOwnCpu()
    this.#tell(0)
  }

  /** So many runs that no handler of this process has seen. */
  add(runs: number): void {
    this.#runs += runs
    this.#lastStartMs = nowMs()
    this.#report()
  }

  /** Microseconds since it began. */
  cpuUs(): number {
    const { user, system } = process.cpuUsage(this.#cpu)
    return user + system + this.#children() - this.#childrenUs
  }

  summary(): Summary {
    const sorted = Float64Array.from(this.#lateness).sort()
    return {
      runs: this.#runs,
      beganMs: this.#beganMs,
      firstStartMs: this.#firstStartMs,
      lastStartMs: this.#lastStartMs,
      lateness: {
        first: this.#lateness[0] ?? Number.NaN,
        p50: quantile(sorted, 0.5),
        p95: quantile(sorted, 0.95),
        p99: quantile(sorted, 0.99),
        max: quantile(sorted, 1),
        early: this.#early,
      },
      cpuUs: this.cpuUs(),
      eventLoop: { maxMs: this.#delay.max / 1e6, ownMaxMs: this.#ownMaxMs },
      rssBytes: process.memoryUsage.rss(),
    }
  }

  #watchOwnCpu(): void {
    let before = threadCpuMs()
    setInterval(() => {
      const now = threadCpuMs()
      this.#ownMaxMs = Math.max(this.#ownMaxMs, now - before)
      before = now
    }, SAMPLE_MS).unref()
  }

  #children(): number {
    return this.withChildren ? childrenCpuUs() : 0
  }

  #report(): void {
    if (this.#runs === this.#told) return
    this.#told = this.#runs
    this.#tell(this.#runs)
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
