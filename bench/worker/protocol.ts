import type { Seed, Settings } from '../systems/settings.ts'

/** What the benchmark asks a worker process. Each request is answered, one at a time. */
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

/** What a worker has seen of its own runs. Instants are milliseconds of the wall clock. */
export type Summary = {
  runs: number
  beganMs: number
  /** 0 if there was none. */
  firstStartMs: number
  lastStartMs: number
  /** Milliseconds from the instant that a run was due until its handler started; `early` counts those before it. */
  lateness: { first: number; p50: number; p95: number; p99: number; max: number; early: number }
  /** Since it began. */
  cpuUs: number
  /**
   * The longest delay of the event loop, whatever caused it; and the most CPU time that its thread used between two
   * timers of 5 ms, which is the delay that its own work causes even on an idle machine. The two need not coincide, and
   * the second may be up to 5 ms too high.
   */
  eventLoop: { maxMs: number; ownMaxMs: number }
  rssBytes: number
}

export type Answer =
  | { kind: 'result'; result: unknown }
  | { kind: 'error'; message: string }
  /** Not asked for: how many runs it has started, when that has changed. */
  | { kind: 'progress'; runs: number; atMs: number }
