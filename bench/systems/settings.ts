/** What runs: job `i` is due at `firstMs + i * stepMs` of the wall clock. */
export type Seed = {
  count: number
  firstMs: number
  stepMs: number
  /**
   * Each run is followed by the next one, a second after it was due: such a job is always due when it begins far enough
   * back.
   */
  recurring: boolean
  /** How long a run takes, in milliseconds. */
  holdMs: number
}

export type Settings = {
  databaseUrl: string
  /** Its best settings, found by a sweep; else what it does by itself. */
  best: boolean
  /** What the best settings are for: runs a second, or runs at their instant. */
  goal: 'throughput' | 'timeliness'
  /** Runs that may be open at once; null leaves it to the settings. */
  concurrency: number | null
  /** How many runs to make, where the system itself has to be told (pgbench). */
  target: number
  /** A handler schedules the next run of its job. */
  recurring: boolean
  /** What the process is for: to make and fill the tables, to run what is due, or to serve the API and run nothing. */
  role: 'fill' | 'run' | 'serve'
}
