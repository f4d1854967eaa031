import type { Seed, Settings } from '../systems/settings.ts'

/** A request from the benchmark to a worker process. Requests are served one at a time. */
export type Request =
  | { call: 'open'; module: string; settings: Settings }
  | { call: 'install' }
  | { call: 'seed'; seed: Seed }
  | { call: 'start' }
  | { call: 'idle'; times: number }
  | { call: 'load'; loads: Load[] }
  | { call: 'cpu' }
  | { call: 'summary' }
  | { call: 'stop' }

/** Requests to send to a server for a number of seconds. */
export type Load = {
  url: string
  method: 'GET' | 'POST'
  body?: string
  connections: number
  seconds: number
}

export type LoadResult = { perSecond: number; p99Ms: number; failed: number }

/** A worker's record of its own runs. Times are wall-clock milliseconds unless noted. */
export type Summary = {
  runs: number
  beganMs: number
  /** 0 if no run has started. */
  firstStartMs: number
  lastStartMs: number
  /** Milliseconds from when a run was due until its handler started; `early` counts runs that started too early. */
  lateness: { first: number; p50: number; p95: number; p99: number; max: number; early: number }
  /** CPU time since the measurement began, in microseconds. */
  cpuUs: number
  /**
   * `maxMs` is the longest delay of the event loop, whatever the cause. `ownMaxMs` is the maximum CPU time that the
   * loop's thread used between two timers 5 ms apart. It shows the delay that the thread's own work causes even on an
   * idle machine, and may be up to 5 ms too high. 0 if it wasn't sampled. The two maximums may come from different
   * moments.
   */
  eventLoop: { maxMs: number; ownMaxMs: number }
  rssBytes: number
}

export type Answer =
  | { kind: 'result'; result: unknown }
  | { kind: 'error'; message: string }
  /** Sent unprompted whenever the number of started runs has changed. */
  | { kind: 'progress'; runs: number; atMs: number }
