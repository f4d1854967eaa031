import type { components } from './schema.d.ts'

export type Execution = components['schemas']['Execution'] & {
  task_name?: string
  duration_ms?: number | null
  error_code?: string | null
}

export type Outcome = { id: number; status: string; finished_at: string | null; duration_ms: number | null }

type LastExecution = Outcome & {
  scheduled_for: string
  started_at: string | null
  detail: string | null
  error_code?: string | null
}

export type Task = components['schemas']['Task'] & {
  state?: string
  last_execution?: LastExecution | null
  recent?: Outcome[]
}

export type TaskCreate = components['schemas']['TaskCreate']

type Percentiles = { p50: number | null; p95: number | null; p99: number | null }

type Bucket = {
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

/** `name` and `scope` are null if nobody is logged in. */
export type Session = {
  name: string | null
  scope: string | null
  expires_at: string | null
  login: 'none' | 'key' | 'oidc'
}

export const SCOPES = ['read', 'run', 'write', 'admin']
