/** The jobs to run. Job `i` is due at `firstMs + i * stepMs`, in wall-clock milliseconds. */
export type Seed = {
  count: number
  firstMs: number
  stepMs: number
  /** Whether jobs recur every second. Such a job is always due if its first run was due long enough ago. */
  recurring: boolean
  /** Duration of a run in milliseconds. */
  holdMs: number
}

export type Settings = {
  databaseUrl: string
  /** Whether to use the best settings found by a sweep, instead of the defaults. */
  best: boolean
  /** Whether the best settings aim for many runs per second, or for runs that start on time. */
  goal: 'throughput' | 'timeliness'
  /** Maximum number of open runs. If null, the system's other settings decide. */
  concurrency: number | null
  /** Number of runs to make, for systems that need it in advance (pgbench). */
  target: number
  /** Whether handlers schedule their job's next run. */
  recurring: boolean
  /** The process's role: create and fill the tables, run due jobs, or only serve the API. */
  role: 'fill' | 'run' | 'serve'
}
