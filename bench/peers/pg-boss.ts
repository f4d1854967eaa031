import { setTimeout as wait } from 'node:timers/promises'
import { type Job, PgBoss, type WorkOptions } from 'pg-boss'
import type { Settings } from '../systems/settings.ts'
import type { OpenSystem, System } from '../systems/system.ts'
import type { Recorder } from '../worker/recorder.ts'

type Payload = { dueMs: number; holdMs: number }

const QUEUE = 'bench'
const CHUNK = 10_000

export const open: OpenSystem = async (settings): Promise<System> => {
  const boss = new PgBoss({ connectionString: settings.databaseUrl })
  boss.on('error', (error: Error) => process.stderr.write(`pg-boss: ${error.message}\n`))
  let running: Promise<unknown> | undefined
  return {
    async install() {
      await boss.start()
      await boss.createQueue(QUEUE)
    },
    async seed({ count, firstMs, stepMs, holdMs }) {
      for (let from = 0; from < count; from += CHUNK) {
        const length = Math.min(CHUNK, count - from)
        const jobs = Array.from({ length }, (_, index) => {
          const dueMs = Math.round(firstMs + (from + index) * stepMs)
          return { data: { dueMs, holdMs }, startAfter: new Date(dueMs) }
        })
        await boss.insert(QUEUE, jobs)
      }
    },
    async start(recorder) {
      await boss.start()
      await boss.work<Payload>(QUEUE, workOptions(settings), handler(boss, recorder, settings.recurring))
      return null
    },
    stop: () => boss.stop({ graceful: false }),
    async idle() {
      running ??= boss.start()
      await running
      await boss.fetch(QUEUE, { batchSize: 100 })
    },
  }
}

function workOptions({ best, goal, concurrency }: Settings): WorkOptions {
  if (concurrency !== null) return { batchSize: concurrency, pollingIntervalSeconds: 0.5 }
  if (!best) return {}
  const often = { pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }
  return goal === 'throughput'
    ? { ...often, batchSize: 2000, localConcurrency: 2 }
    : { ...often, batchSize: 100, localConcurrency: 4 }
}

const handler =
  (boss: PgBoss, recorder: Recorder, recurring: boolean) =>
  async (jobs: Job<Payload>[]): Promise<void> => {
    for (const { data } of jobs) recorder.started(data.dueMs)
    const holdMs = jobs[0]?.data.holdMs ?? 0
    if (holdMs > 0) await wait(holdMs)
    if (recurring) await boss.insert(QUEUE, jobs.map(nextOf))
  }

function nextOf({ data }: Job<Payload>) {
  const dueMs = data.dueMs + 1000
  return { data: { ...data, dueMs }, startAfter: new Date(dueMs) }
}
