import type { Recorder } from '../worker/recorder.ts'
import { seedTasks } from './ours-store.ts'
import type { Settings } from './settings.ts'
import type { OpenSystem, System } from './system.ts'

/**
 * The real product: the container's `serve()` with its API, tick and executor, configured through environment
 * variables.
 */
export const open: OpenSystem = async (settings): Promise<System> => {
  Object.assign(process.env, environment(settings))
  return settings.role === 'fill' ? await openTables(settings.databaseUrl) : await openProduct()
}

async function openTables(url: string): Promise<System> {
  const { connect, LONG_LIMITS } = await import('../../shared/db.ts')
  const { migrate } = await import('../../infra/migrations/migrate.ts')
  const sql = connect(url, { max: 1, limits: LONG_LIMITS })
  return {
    async install() {
      await migrate(sql)
    },
    seed: (seed) => seedTasks(sql, seed),
    start: () => Promise.reject(new Error("can't start: opened with the role fill")),
    stop: () => sql.end(),
  }
}

async function openProduct(): Promise<System> {
  // Imported only now, since these modules read the settings when they load.
  const { serve } = await import('../../infra/container/serve.ts')
  const { runnerOf } = await import('../../shared/runners/index.ts')
  const { closeDatabase, schedulerDb } = await import('../../shared/db.ts')
  const { tick } = await import('../../shared/scheduling/tick/tick.ts')
  const { memory } = await import('../../functions/program.ts')
  let running: Awaited<ReturnType<typeof serve>> | undefined
  const refuse = () => Promise.reject(new Error("can't install or seed: not opened with the role fill"))
  return {
    install: refuse,
    seed: refuse,
    async start(recorder) {
      tellStarts(recorder, runnerOf('sleep'))
      running = await serve()
      return running.url
    },
    async stop() {
      await (running ? running.stop(new AbortController().signal) : closeDatabase(5))
    },
    async idle() {
      const nobody = { capacity: async () => ({ now: 500, ahead: 500 }), send: async () => {} }
      await tick(schedulerDb(), nobody, memory, { leaseSeconds: 15, aheadMs: 1000 })
    },
  }
}

/**
 * Returns the product's settings. Sets only what an operator would change. The other settings keep their defaults,
 * which suit a process that shares its machine.
 */
function environment({ databaseUrl, best, goal, concurrency, role }: Settings): Record<string, string> {
  const most = concurrency ?? (best ? 60_000 : null)
  return {
    DATABASE_URL: databaseUrl,
    PORT: '0',
    // The peers don't log either.
    LOG_LEVEL: 'WARN',
    // As in infra/container/main.ts. A process that only fills tables invokes no handlers, so it has no invocations.
    ...(role !== 'fill' && { AWS_LAMBDA_MAX_CONCURRENCY: '2' }),
    SHUTDOWN_GRACE_SECONDS: '3',
    SCHEDULER_ENABLE: String(role === 'run'),
    ...(best && { CLAIM_AHEAD_MS: '6000' }),
    ...(best && goal === 'throughput' && { TICK_INTERVAL_MS: '250' }),
    ...(best && { MAX_CLAIMED_EXECUTIONS: '60000' }),
    ...(most !== null && { MAX_CONCURRENT_EXECUTIONS: String(most) }),
  }
}

type Runs = { run(params: unknown, run: { scheduledFor: Date; signal: AbortSignal }): Promise<unknown> }

/** Wraps the real runner to report the start of each run before running it, as the peers' handlers do. */
function tellStarts(recorder: Recorder, runner: Runs | undefined): void {
  if (!runner) throw new Error('there is no sleep runner')
  const { run } = runner
  runner.run = (params, of) => {
    recorder.started(of.scheduledFor.getTime())
    return run.call(runner, params, of)
  }
}
