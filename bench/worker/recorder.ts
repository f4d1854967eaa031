import { monitorEventLoopDelay } from 'node:perf_hooks'
import { childrenCpuUs } from '../measure/proc.ts'
import { quantile } from '../measure/quantile.ts'
import { nowMs } from '../measure/usage.ts'
import type { Summary } from './protocol.ts'

/** Maximum number of lateness samples. Enough for every lateness row, without slowing down long rows. */
const KEPT = 200_000

/**
 * Milliseconds between reports of the number of runs: normally, and while the cost of a small number of runs is
 * measured.
 */
const PROGRESS_MS = 20
const QUIET_PROGRESS_MS = 100

/**
 * Milliseconds between readings of the thread's CPU time. The readings cost each system about 25 ms of CPU per second,
 * most of it for the timer.
 */
const SAMPLE_MS = 5

/**
 * Records when runs start. Its own work is part of every system's measured cost: a few hundred nanoseconds per call to
 * `started`, plus the reports and the sampling.
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
  /** Whether to include the CPU time of child processes, such as pgbench. */
  withChildren = false
  /**
   * Whether to report less often and not sample the CPU time. At 50 runs per second, the sampling alone would cost as
   * much as the scheduler does, and a system that starts runs one by one would send more reports than one that starts
   * them in batches.
   */
  isQuiet = false

  /**
   * `tell` is called with the number of runs: 0 when the measurement begins, 1 at the first run, and then regularly if
   * the number has changed.
   */
  constructor(tell: (runs: number) => void) {
    this.#tell = tell
  }

  /** Records that a handler has started a run that was due at `dueMs`. */
  started(dueMs: number): void {
    const now = nowMs()
    this.begin()
    if (this.#runs === 0) this.#firstStartMs = now
    this.#runs += 1
    this.#lastStartMs = now
    if (this.#lateness.length < KEPT) this.#lateness.push(now - dueMs)
    // Uses Date.now(), the clock that all processes share. nowMs() may have drifted from it since the process started.
    if (Date.now() < dueMs) this.#early += 1
    if (this.#runs === 1) this.#report()
  }

  /**
   * Starts the measurement when the system has started, or at its first run if that comes earlier. Throughput
   * therefore never includes a system's startup, but always includes its first claim. Later calls do nothing.
   */
  begin(): void {
    if (this.#beganMs !== 0) return
    this.#beganMs = nowMs()
    this.#cpu = process.cpuUsage()
    this.#childrenUs = this.#children()
    this.#delay.enable()
    if (!this.isQuiet) this.#watchOwnCpu()
    setInterval(() => this.#report(), this.isQuiet ? QUIET_PROGRESS_MS : PROGRESS_MS).unref()
    this.#tell(0)
  }

  /** Adds runs that took place outside this process's handlers. */
  add(runs: number): void {
    this.#runs += runs
    this.#lastStartMs = nowMs()
    this.#report()
  }

  /** Returns the CPU time since the measurement began, in microseconds. */
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
