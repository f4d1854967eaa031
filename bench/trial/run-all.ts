import postgres from 'postgres'
import { costs, readCommits, readUsage, type Usage } from '../measure/usage.ts'
import { asAdmin, type Database, whenAlone } from '../server/database.ts'
import type { Settings } from '../systems/settings.ts'
import type { Worker } from '../worker/fork.ts'
import type { Summary } from '../worker/protocol.ts'
import { heldUp, type Outcome, type Trial, type Values, withWorkers } from './trial.ts'
import { begin, reach, until } from './wait.ts'

export type RunAll = {
  settings: Settings
  processes?: number
  /** Number of one-time jobs that are due. */
  jobs: number
  limitSeconds: number
}

type Ended = { from: Usage; to: Usage; done: number; inTime: boolean; summaries: Summary[]; asked: number }

/** Makes a system run all due jobs. Returns the rate from its start until its tables show all jobs as done. */
export async function runAll(trial: Trial, database: Database, options: RunAll): Promise<Outcome> {
  const commits = () =>
    asAdmin(trial.server.url, async (admin) => {
      await whenAlone(admin, database.name)
      return await readCommits(admin, database.name)
    })
  const before = await commits()
  const ended = await withWorkers(trial, options.settings, options.processes ?? 1, (workers) =>
    watch(trial, database, options, workers),
  )
  if (ended === null) return nothing(options)
  const { from, to, done, inTime, summaries, asked } = ended
  const since = Math.min(...summaries.map(({ beganMs }) => beganMs))
  const seconds = (to.atMs - since) / 1000
  const cpuUs = summaries.reduce((sum, each) => sum + each.cpuUs, 0)
  const values: Values = {
    rate: done / seconds,
    seconds,
    ...costs(from, to, Math.max(1, done), cpuUs),
    commits_per_1000: ((await commits()) - before - asked) / (Math.max(1, done) / 1000),
    ...heldUp(summaries),
  }
  return inTime ? { values } : { values, note: came(done, options.jobs, seconds) }
}

/** Returns the note for a system that didn't finish in time: how many runs it completed. */
export const came = (done: number, of: number, seconds: number): string =>
  `${done.toLocaleString('en')} of ${of.toLocaleString('en')} runs in ${seconds.toFixed(0)} s`

const nothing = ({ jobs, limitSeconds }: RunAll): Outcome => ({
  values: { rate: 0 },
  note: came(0, jobs, limitSeconds),
})

async function watch(
  { system }: Trial,
  database: Database,
  { jobs, limitSeconds }: RunAll,
  workers: Worker[],
): Promise<Ended | null> {
  const sql = postgres(database.url, { max: 1, fetch_types: false })
  let asked = 3
  try {
    // Reads the usage before the system starts, since its first claim already writes WAL for a whole batch.
    const before = await readUsage(sql)
    const deadline = performance.now() + limitSeconds * 1000
    const starting = Promise.all(workers.map((worker) => worker.start()))
    starting.catch(() => {})
    if (!(await begin(workers, deadline))) return null
    const { machine, ownCpuUs } = await readUsage(sql)
    const from = { ...before, machine, ownCpuUs }
    await starting
    await reach(workers, jobs, deadline)
    let done = 0
    const inTime = await until(async () => {
      asked += 1
      done = await system.done(sql, jobs)
      return done >= jobs
    }, deadline)
    const to = await readUsage(sql)
    const summaries = await Promise.all(workers.map((worker) => worker.summary()))
    if (!summaries.some(({ runs }) => runs > 0)) return null
    return { from, to, done, inTime, summaries, asked }
  } finally {
    await sql.end({ timeout: 5 })
  }
}
