import type { components } from './schema.d.ts'

type Schemas = components['schemas']

export type Execution = Schemas['Execution']

export type Task = Schemas['Task']

export type Outcome = Task['recent'][number]

/** `name` and `scope` are null if nobody is logged in. */
export type Session = Schemas['Session']

export type TaskCreate = Schemas['TaskCreate']

type Percentiles = { p50: number | null; p95: number | null; p99: number | null }

export type Bucket = {
  start: string
  runs: Record<string, number>
  skipped: Record<string, number>
  duration_ms: Percentiles | null
  late_ms: Percentiles | null
}

export type Stats = {
  from: string
  to: string
  bucket: string
  totals: Omit<Bucket, 'start'>
  buckets: Bucket[]
}

export type Worker = {
  id: string
  version: string
  runtime: string
  host: string
  started_at: string
  last_seen_at: string
  last_tick_at: string | null
  slots: number
  running: number
  executions: { id: number; task_id: number; task_name: string; started_at: string }[]
}

export const SCOPES = ['read', 'run', 'write', 'admin']
