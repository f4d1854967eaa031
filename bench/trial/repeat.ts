import { setTimeout as wait } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { costs, readCommits, readUsage, type Usage } from '../measure/usage.ts'
import type { Database } from '../server/database.ts'
import type { Worker } from '../worker/fork.ts'
import { heldUp, type Outcome, settingsOf, type Trial, type Values, withWorkers } from './trial.ts'
import { reach, runsOf, until } from './wait.ts'

export type Repeat = {
  warmUpSeconds: number
  seconds: number
  /** The measurement ends early once this many runs are done. */
  target: number
}

const LIMIT_SECONDS = 20

/** A rate that no system reaches, in runs per second. pgbench needs to know the number of runs in advance. */
const MOST_PER_SECOND = 60_000

type Mark = Usage & { runs: number; cpuUs: number; commits: number }

/** Makes a system run jobs that are always due. Returns the rate after a warm-up. */
export async function repeat(trial: Trial, database: Database, options: Repeat): Promise<Outcome> {
  const { warmUpSeconds, seconds, target } = options
  const most = Math.min(target * 1.5, (warmUpSeconds + seconds) * MOST_PER_SECOND)
  const settings = settingsOf(trial, database, { recurring: true, target: Math.ceil(most) })
  const sql = postgres(database.url, { max: 1, fetch_types: false })
  try {
    return await withWorkers(trial, settings, 1, async (workers) => {
      const start = await mark(trial, database, sql, workers)
      await Promise.all(workers.map((worker) => worker.start()))
      if (!(await reach(workers, 1, performance.now() + LIMIT_SECONDS * 1000))) {
        return { values: { rate: 0 }, note: `no run in ${LIMIT_SECONDS} s` }
      }
      await wait(warmUpSeconds * 1000)
      // Without a warm-up, `from` is the start of the workers' own measurement, when their CPU time was 0.
      const from =
        warmUpSeconds === 0
          ? { ...start, atMs: beganMs(workers), cpuUs: 0 }
          : await mark(trial, database, sql, workers)
      await runOn(workers, from.runs + target, seconds)
      // Some of the started runs may not have finished yet.
      if (runsOf(workers) >= from.runs + target) await settleAll(trial, sql, from.runs + target)
      const to = await mark(trial, database, sql, workers)
      const summaries = await Promise.all(workers.map((worker) => worker.summary()))
      return {
        values: { ...rates(from, to), ...fifths(workers, from, to), ...heldUp(summaries) },
      }
    })
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const beganMs = (workers: Worker[]): number =>
  Math.min(...workers.flatMap(({ progress }) => progress[0]?.atMs ?? []))

async function runOn(workers: Worker[], target: number, seconds: number): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (performance.now() < deadline && runsOf(workers) < target) {
    if (workers.some((worker) => worker.hasEnded)) throw new Error('a worker exited unexpectedly')
    await wait(10)
  }
}

const settleAll = async ({ system }: Trial, sql: Sql, target: number): Promise<boolean> =>
  await until(async () => !system.runs || (await system.runs(sql)) >= target, performance.now() + 5_000)

async function mark({ system }: Trial, database: Database, sql: Sql, workers: Worker[]): Promise<Mark> {
  const usage = await readUsage(sql)
  const cpuUs = await Promise.all(workers.map((worker) => worker.cpuUs()))
  const commits = await readCommits(sql, database.name)
  return {
    ...usage,
    runs: (await system.runs?.(sql)) ?? runsOf(workers),
    cpuUs: cpuUs.reduce((sum, each) => sum + each, 0),
    commits,
  }
}

function rates(from: Mark, to: Mark): Values {
  const runs = Math.max(1, to.runs - from.runs)
  const seconds = (to.atMs - from.atMs) / 1000
  return {
    rate: (to.runs - from.runs) / seconds,
    runs: to.runs - from.runs,
    seconds,
    ...costs(from, to, runs, to.cpuUs - from.cpuUs),
    // Open sessions report their commits only once a second. Over many seconds, the error doesn't matter.
    commits_per_1000: (to.commits - from.commits) / (runs / 1000),
  }
}

/** Returns the rates of the first and the last fifth of the time. Their ratio shows whether the system slows down. */
function fifths(workers: Worker[], from: Usage, to: Usage): Values {
  const progress = workers.flatMap((worker) => worker.progress)
  const by = (atMs: number): number => progress.findLast((it) => it.atMs <= atMs)?.runs ?? 0
  const fifth = (to.atMs - from.atMs) / 5
  const first = (by(from.atMs + fifth) - by(from.atMs)) / (fifth / 1000)
  const last = (by(to.atMs) - by(to.atMs - fifth)) / (fifth / 1000)
  return { rate_first_fifth: first, rate_last_fifth: last, kept: last / first }
}
