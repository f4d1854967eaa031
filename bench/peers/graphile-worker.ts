import { setTimeout as wait } from 'node:timers/promises'
import { Logger, makeWorkerUtils, type Runner, run, runOnce, type Task } from 'graphile-worker'
import pg from 'pg'
import type { Seed, Settings } from '../systems/settings.ts'
import type { OpenSystem, System } from '../systems/system.ts'
import type { Recorder } from '../worker/recorder.ts'

type Payload = { dueMs: number; holdMs: number }

const TASK = 'bench'
const CHUNK = 100_000

const silent = new Logger(() => () => {})

export const open: OpenSystem = async (settings): Promise<System> => {
  const connectionString = settings.databaseUrl
  let runner: Runner | undefined
  return {
    async install() {
      const utils = await makeWorkerUtils({ connectionString, logger: silent })
      await utils.migrate()
      await utils.release()
    },
    seed: (seed) => addJobs(connectionString, seed),
    async start(recorder) {
      const taskList = { [TASK]: handler(recorder, settings.recurring) }
      runner = await run({
        connectionString,
        taskList,
        preset: preset(settings),
        noHandleSignals: true,
        logger: silent,
      })
      return null
    },
    async stop() {
      await runner?.stop()
    },
    async idle() {
      await runOnce({
        connectionString,
        taskList: { [TASK]: async () => {} },
        noHandleSignals: true,
        logger: silent,
      })
    },
  }
}

/**
 * Calls graphile-worker's own SQL function, and builds the jobs on the server. The library's `addJobs` makes the same
 * call, but sends every job's data with it.
 */
async function addJobs(connectionString: string, { count, firstMs, stepMs, holdMs }: Seed): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  for (let from = 0; from < count; from += CHUNK) {
    await client.query(
      `select count(*)
      from graphile_worker.add_jobs((
        select array_agg(row(
          $1, json_build_object('dueMs', at.ms, 'holdMs', $6::float8), null, to_timestamp(at.ms / 1000), 25, null, 0, null
        )::graphile_worker.job_spec)
        from generate_series($2::int, $3::int) i, lateral (select round($4::float8 + i * $5::float8) as ms) at
      ))`,
      [TASK, from, Math.min(count, from + CHUNK) - 1, firstMs, stepMs, holdMs],
    )
  }
  await client.end()
}

function preset({ best, goal, concurrency }: Settings): GraphileConfig.Preset {
  if (concurrency !== null)
    return { worker: { concurrentJobs: concurrency, localQueue: { size: concurrency } } }
  if (!best) return {}
  return goal === 'throughput'
    ? {
        worker: {
          concurrentJobs: 50,
          pollInterval: 100,
          localQueue: { size: 1000 },
          completeJobBatchDelay: 10,
          failJobBatchDelay: 10,
        },
      }
    : { worker: { concurrentJobs: 10, pollInterval: 100 } }
}

const handler =
  (recorder: Recorder, recurring: boolean): Task =>
  async (payload, helpers) => {
    // The payload was written by addJobs() above or by addJob() below.
    const { dueMs, holdMs } = payload as Payload
    recorder.started(dueMs)
    if (holdMs > 0) await wait(holdMs)
    if (!recurring) return
    const next = dueMs + 1000
    await helpers.addJob(TASK, { dueMs: next, holdMs }, { runAt: new Date(next) })
  }
