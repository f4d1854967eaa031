import { createDatabase, type Database, settleDown } from '../server/database.ts'
import type { Server } from '../server/postgres.ts'
import type { SystemEntry } from '../systems/catalogue.ts'
import type { Seed, Settings } from '../systems/settings.ts'
import { Worker } from '../worker/fork.ts'
import type { Summary } from '../worker/protocol.ts'

/** One system in one repetition of one case. */
export type Trial = { server: Server; system: SystemEntry }

export type Values = Record<string, number>

/** A trial's result: numbers, and an optional note, such as the progress of a system that didn't finish in time. */
export type Outcome = { values: Values; note?: string }

/** Returns the workers' longest event loop delay, and the longest CPU burst of a worker's own thread. */
export const heldUp = (summaries: Summary[]): Values => ({
  event_loop_max_ms: Math.max(...summaries.map(({ eventLoop }) => eventLoop.maxMs)),
  event_loop_own_max_ms: Math.max(...summaries.map(({ eventLoop }) => eventLoop.ownMaxMs)),
})

/** Runs `work` in a new database, which is always dropped afterward. */
export async function inDatabase<T>(
  { server, system }: Trial,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = await createDatabase(server.url, system.name)
  try {
    return await work(database)
  } finally {
    await database.drop()
  }
}

export function settingsOf(trial: Trial, database: Database, given: Partial<Settings> = {}): Settings {
  return {
    databaseUrl: database.url,
    best: trial.system.best,
    goal: 'throughput',
    concurrency: null,
    target: 0,
    recurring: false,
    role: 'run',
    ...given,
  }
}

/** Returns a seed of jobs that are already due, unless `given` says otherwise. */
export const seedOf = (given: Partial<Seed> & { count: number }): Seed => ({
  firstMs: Date.now() - 60_000,
  stepMs: 0,
  recurring: false,
  holdMs: 0,
  ...given,
})

/** Fills a database, using a process that exits before the measurement. Each seed is made just before it is written. */
export async function fill(trial: Trial, database: Database, seeds: (() => Seed)[]): Promise<void> {
  await withWorkers(trial, settingsOf(trial, database, { role: 'fill' }), 1, async ([worker]) => {
    await worker?.install()
    for (const seed of seeds) await worker?.seed(seed())
  })
  await settleDown(database.url)
}

const GRACE_MS = 5_000

/** Opens a system in this many processes and runs `work`. The processes have exited when the promise settles. */
export async function withWorkers<T>(
  { system }: Pick<Trial, 'system'>,
  settings: Settings,
  processes: number,
  work: (workers: Worker[]) => Promise<T>,
): Promise<T> {
  const workers = Array.from({ length: processes }, () => new Worker())
  let grace = 0
  try {
    await Promise.all(workers.map((worker) => worker.open(system.module, settings)))
    const result = await work(workers)
    grace = GRACE_MS
    return result
  } finally {
    await Promise.all(workers.map((worker) => worker.end(grace)))
  }
}
