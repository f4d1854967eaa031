import { setTimeout as wait } from 'node:timers/promises'
import { PostgresBackend } from '@agendajs/postgres-backend'
import { Agenda, type AgendaOptions } from 'agenda'
import pg from 'pg'
import type { Seed, Settings } from '../systems/settings.ts'
import type { OpenSystem, System } from '../systems/system.ts'

type Payload = { dueMs: number; holdMs: number }

const JOB = 'bench'

export const open: OpenSystem = async (settings): Promise<System> => {
  const connectionString = settings.databaseUrl
  const backend = new PostgresBackend({ connectionString })
  const due = new Map<string, number>()
  let agenda: Agenda | undefined
  let stopped = false
  return {
    async install() {
      await backend.connect()
      await backend.disconnect()
    },
    seed: (seed) => insertJobs(connectionString, seed),
    async start(recorder) {
      agenda = new Agenda({ backend, ...options(settings) })
      agenda.on('error', (error: Error) => {
        // Once agenda has stopped, jobs that are still running fail because the pool is closed.
        if (!stopped) process.stderr.write(`agenda: ${error.message}\n`)
      })
      agenda.define<Payload>(JOB, async ({ attrs }) => {
        // nextRunAt is already the next run's due time. The previous run saved this run's due time in `due`; for a
        // job's first run, it is in the data.
        const id = String(attrs._id)
        recorder.started(due.get(id) ?? attrs.data.dueMs)
        if (attrs.nextRunAt) due.set(id, attrs.nextRunAt.getTime())
        if (attrs.data.holdMs > 0) await wait(attrs.data.holdMs)
      })
      await agenda.start()
      return null
    },
    async stop() {
      stopped = true
      await agenda?.stop()
    },
  }
}

/** Inserts all jobs in one statement. The rows are the same as those that `schedule` and `every` would write. */
async function insertJobs(connectionString: string, seed: Seed): Promise<void> {
  const { count, firstMs, stepMs, recurring, holdMs } = seed
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(
    `insert into agenda_jobs (name, type, priority, next_run_at, repeat_interval, data)
    select $1, 'normal', 0, to_timestamp(at.ms / 1000), $5::text,
      jsonb_build_object('dueMs', at.ms, 'holdMs', $6::float8)
    from generate_series(0, $2::int - 1) i, lateral (select round($3::float8 + i * $4::float8) as ms) at`,
    [JOB, count, firstMs, stepMs, recurring ? '1 second' : null, holdMs],
  )
  await client.end()
}

function options({ best, concurrency }: Settings): Omit<AgendaOptions, 'backend'> {
  if (concurrency !== null) return limits(concurrency, concurrency)
  return best ? limits(500, 1000) : {}
}

const limits = (concurrency: number, locked: number) => ({
  processEvery: 100,
  maxConcurrency: concurrency,
  defaultConcurrency: concurrency,
  lockLimit: locked,
  defaultLockLimit: locked,
})
