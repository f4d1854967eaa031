/** The jobs to run. Job `i` is due at `firstMs + i * stepMs`, in wall-clock milliseconds. */
export type Seed = {
  count: number
  firstMs: number
  stepMs: number
  /**
   * Whether each run is followed by another, due a second later. A job that starts far enough in the past is always
   * due.
   */
  recurring: boolean
  /** Duration of a run in milliseconds. */
  holdMs: number
}

export type Settings = {
  databaseUrl: string
  /** Use the best settings found by a sweep, not the defaults. */
  best: boolean
  /** What the best settings optimize: runs per second, or starting on time. */
  goal: 'throughput' | 'timeliness'
  /** Limit of open runs. Null leaves it to the other settings. */
  concurrency: number | null
  /** Number of runs to make, for systems that need it in advance (pgbench). */
  target: number
  /** Handlers schedule the next run of their job. */
  recurring: boolean
  /** What the process does: create and fill the tables, run what is due, or serve the API and run nothing. */
  role: 'fill' | 'run' | 'serve'
}
