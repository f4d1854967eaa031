import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { costs, nowMs, readUsage } from '../measure/usage.ts'
import type { Database } from '../server/database.ts'
import type { Settings } from '../systems/system.ts'
import { came } from './run-all.ts'
import { fill, inDatabase, type Outcome, seedOf, settingsOf, type Trial, withWorkers } from './trial.ts'
import { reach, until } from './wait.ts'

export type RunAt = {
  jobs: number
  /** From one job to the next. */
  stepMs: number
  /** From the moment that the jobs are written until the first is due. */
  leadMs: number
  /** After the last one was due. */
  limitSeconds: number
  goal: Settings['goal']
}

/**
 * Has a system run jobs that are due in a while, each at its instant, and gives how late they started. A machine that is too busy for
 * the lead gets twice as much.
 */
export async function runAt(trial: Trial, options: RunAt): Promise<Outcome> {
  const outcome = await inDatabase(trial, async (database) => {
    let firstMs = 0
    const seed = () => {
      firstMs = Date.now() + options.leadMs
      return seedOf({ count: options.jobs, firstMs, stepMs: options.stepMs })
    }
    await fill(trial, database, [seed])
    return await watch(trial, database, options, firstMs)
  })
  if (outcome !== null) return outcome
  if (options.leadMs > MOST_LEAD_MS) throw new Error(`not ready within ${options.leadMs / 1000} s`)
  return await runAt(trial, { ...options, leadMs: options.leadMs * 2 })
}

const MOST_LEAD_MS = 60_000

/** Null: it wasn't ready when the first job was due. */
async function watch(
  trial: Trial,
  database: Database,
  options: RunAt,
  firstMs: number,
): Promise<Outcome | null> {
  const { jobs, stepMs, limitSeconds, goal } = options
  const settings = settingsOf(trial, database, { goal, target: jobs })
  const sql = postgres(database.url, { max: 1, fetch_types: false })
  try {
    return await withWorkers(trial, settings, 1, async (workers) => {
      const [worker] = workers
      await worker?.start()
      if (nowMs() > firstMs) return null
      await wait(firstMs - nowMs())
      const from = await readUsage(sql)
      const deadline = performance.now() + jobs * stepMs + limitSeconds * 1000
      const started = await reach(workers, jobs, deadline)
      const done =
        started && (await until(async () => (await trial.system.done(sql, jobs)) >= jobs, deadline))
      const to = await readUsage(sql)
      const summary = await worker?.summary()
      if (!summary || summary.runs === 0)
        return { values: {}, note: came(0, jobs, (to.atMs - firstMs) / 1000) }
      const { first, p50, p95, p99, max, early } = summary.lateness
      const values = {
        p50,
        p95,
        p99,
        max,
        early,
        first,
        last_start_ms: summary.lastStartMs - firstMs,
        ...(done && { all_done_ms: to.atMs - firstMs }),
        ...costs(from, to, summary.runs, summary.cpuUs),
        event_loop_max_ms: summary.eventLoopMaxMs,
      }
      return done ? { values } : { values, note: came(summary.runs, jobs, (to.atMs - firstMs) / 1000) }
    })
  } finally {
    await sql.end({ timeout: 5 })
  }
}
