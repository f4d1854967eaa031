import { execFile } from 'node:child_process'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { leavesBroken } from '../setup/doctor.ts'
import { emptyTables, insertExecution, insertOpen, insertTask } from '../setup/rows.ts'

beforeEach(emptyTables)

/** Runs `npm run doctor` on this file's database. */
const runDoctor = (): Promise<{ code: number; lines: string[] }> =>
  new Promise((resolve) => {
    const child = execFile('node', ['infra/doctor/main.ts'], { env: process.env }, (_error, stdout) =>
      resolve({ code: child.exitCode ?? -1, lines: stdout.trim().split('\n') }),
    )
  })

const state = (id: number, columns: object) =>
  db()`update task_state set ${db()({ ...columns })} where task_id = ${id}`

/** Invariants as the doctor names them, each with a change that violates it. */
const damages: [string, (id: number) => Promise<unknown>][] = [
  [
    'an open execution is held by a claim that names its task',
    async () => {
      await insertOpen('running')
      await db()`delete from claims`
    },
  ],
  [
    'an open execution is held by a claim that names its task',
    async () => {
      await insertOpen('running')
      await db()`update claims set task_ids = '{}'`
    },
  ],
  [
    'a claim whose lease has expired is recovered within two leases',
    () => db()`insert into claims values (gen_random_uuid(), now() - interval '1 hour', '{}')`,
  ],
  ['an interval has a cursor while occurrences are left', (id) => state(id, { next_run_at: null })],
  [
    'a cron schedule has a cursor while occurrences are left',
    async (id) => {
      await db()`
        update tasks set schedule_type = 'cron', interval_seconds = null, cron_expression = '0 0 29 2 *' where id = ${id}`
      await state(id, { next_run_at: null })
    },
  ],
  [
    'a task that runs once has a cursor until it has run',
    async (id) => {
      await db()`update tasks set schedule_type = 'once', interval_seconds = null where id = ${id}`
      await state(id, { next_run_at: null })
    },
  ],
  [
    'a paused task has no queued executions from its schedule',
    async (id) => {
      await insertOpen('queued')
      await state(id, { paused_at: new Date() })
    },
  ],
  [
    'an open execution is not in the ledger',
    async () => {
      await insertOpen('queued')
      await insertExecution('2027-01-01T00:00:00Z', { id: 1 })
    },
  ],
]

test.each(damages)('finds rows that violate the invariant: %s', async (invariant, damage) => {
  leavesBroken(invariant)
  await damage(await insertTask())
  const { code, lines } = await runDoctor()
  expect(code).toBe(1)
  expect(lines).toEqual([expect.stringMatching(/^broken: .*\{.*\}$/), `1 × broken: ${invariant}`])
  expect(lines[0]).toContain(invariant)
})

test('finds nothing wrong in a healthy database', async () => {
  await insertTask()
  await insertOpen('running')
  await insertTask({ name: 'ended', end_at: '2020-01-01T00:00:00Z', next_run_at: null })
  await insertTask({ name: 'done', max_runs: 3, runs: 3, next_run_at: null })
  expect(await runDoctor()).toEqual({ code: 0, lines: ['healthy: no invariant is broken'] })
})
