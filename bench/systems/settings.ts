/** What to run. Job `i` is due at `firstMs + i * stepMs` of the wall clock. */
export type Seed = {
  count: number
  firstMs: number
  stepMs: number
  /**
   * Each run is followed by the next one, a second after it was due. Such a job is always due if it begins far enough
   * back.
   */
  recurring: boolean
  /** How long a run takes, in milliseconds. */
  holdMs: number
}

export type Settings = {
  databaseUrl: string
  /** Its best settings, found by a sweep; otherwise its defaults. */
  best: boolean
  /** What the best settings are for: runs a second, or runs at their instant. */
  goal: 'throughput' | 'timeliness'
  /** How many runs may be open at once. Null: as in the settings. */
  concurrency: number | null
  /** How many runs to make, for systems that must be told (pgbench). */
  target: number
  /** A handler schedules the next run of its job. */
  recurring: boolean
  /** What the process does: create and fill the tables, run what is due, or serve the API and run nothing. */
  role: 'fill' | 'run' | 'serve'
}
