import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { costs, nowMs, readStatements, readUsage } from '../measure/usage.ts'
import { countStatements, type Database } from '../server/database.ts'
import type { Settings } from '../systems/settings.ts'
import { came } from './run-all.ts'
import {
  fill,
  heldUp,
  inDatabase,
  type Outcome,
  seedOf,
  settingsOf,
  type Trial,
  withWorkers,
} from './trial.ts'
import { reach, until } from './wait.ts'

export type RunAt = {
  jobs: number
  /** Milliseconds between the due times of two consecutive jobs. */
  stepMs: number
  /** Number of runs of each job, a second apart; 1 for one-time jobs. */
  runsOfEach: number
  /** Milliseconds from when the jobs are written until the first job is due. */
  leadMs: number
  /** Seconds to wait after the last run was due. */
  limitSeconds: number
  goal: Settings['goal']
}

/**
 * Gives a system jobs that aren't due yet, and returns how late they started. If the system wasn't ready in
 * time, because the machine was busy, tries again with twice the lead.
 */
export async function runAt(trial: Trial, options: RunAt): Promise<Outcome> {
  const outcome = await inDatabase(trial, async (database) => {
    let firstMs = 0
    const seed = () => {
      firstMs = Date.now() + options.leadMs
      return seedOf({
        count: options.jobs,
        firstMs,
        stepMs: options.stepMs,
        recurring: options.runsOfEach > 1,
      })
    }
    await fill(trial, database, [seed])
    await countStatements(database)
    return await watch(trial, database, options, firstMs)
  })
  if (outcome !== null) return outcome
  if (options.leadMs > MOST_LEAD_MS) throw new Error(`not ready within ${options.leadMs / 1000} s`)
  return await runAt(trial, { ...options, leadMs: options.leadMs * 2 })
}

const MOST_LEAD_MS = 60_000

/** The usage is read this many milliseconds before the first job is due, because reading it takes time. */
const AHEAD_MS = 300

/** Returns null if the system wasn't ready when the first job was due. */
async function watch(
  trial: Trial,
  database: Database,
  options: RunAt,
  firstMs: number,
): Promise<Outcome | null> {
  const { goal, runsOfEach } = options
  const runs = options.jobs * runsOfEach
  const settings = settingsOf(trial, database, { goal, target: runs, recurring: runsOfEach > 1 })
  const sql = postgres(database.url, { max: 1, fetch_types: false })
  try {
    return await withWorkers(trial, settings, 1, async ([worker]) => {
      if (!worker) throw new Error('there is no worker')
      await worker.start()
      const soonMs = firstMs - AHEAD_MS - nowMs()
      if (soonMs < 0) return null
      await wait(soonMs)
      const from = {
        usage: await readUsage(sql),
        cpuUs: await worker.cpuUs(),
        statements: await readStatements(sql),
      }
      const lastsMs = options.jobs * options.stepMs + (runsOfEach - 1) * 1000
      const deadline = performance.now() + AHEAD_MS + lastsMs + options.limitSeconds * 1000
      const started = await reach([worker], runs, deadline)
      const isDone = async () => (await trial.system.done(sql, runs)) >= runs
      // Recurring jobs never finish, so only their starts count.
      const done = started && (runsOfEach > 1 || (await until(isDone, deadline)))
      const to = await readUsage(sql)
      const statements = await readStatements(sql)
      const summary = await worker.summary()
      const note = done ? {} : { note: came(summary.runs, runs, (to.atMs - firstMs) / 1000) }
      if (summary.runs === 0) return { values: {}, ...note }
      const values = {
        ...summary.lateness,
        last_start_ms: summary.lastStartMs - firstMs,
        ...(done && { all_done_ms: to.atMs - firstMs }),
        ...costs(from.usage, to, summary.runs, summary.cpuUs - from.cpuUs),
        ...(statements !== null &&
          from.statements !== null && { statements: (statements - from.statements) / summary.runs }),
        ...heldUp([summary]),
      }
      return { values, ...note }
    })
  } finally {
    await sql.end({ timeout: 5 })
  }
}
