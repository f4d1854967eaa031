import '../setup/doctor.ts'
import { beforeEach, expect, test, vi } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import type { Definition } from '../../shared/scheduling/claim/definition.ts'
import { UnknownTypes } from '../../shared/scheduling/claim/unknown-types.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { historyOf, tickAndRun } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')

test('neither claims a task of an unknown type nor changes its due time', async () => {
  await insertTask({ type: 'teleport' })
  await insertTask({ name: 'b', params: { duration: 0 } })
  await tickAndRun(DUE)
  await tickAndRun(DUE)
  expect(await historyOf(1)).toEqual([])
  expect(await historyOf(2)).toHaveLength(1)
  expect(await db()`select status, next_run_at, claim_id from task_state where task_id = 1`).toEqual([
    { status: null, next_run_at: new Date('2027-03-10T00:00:00Z'), claim_id: null },
  ])
  expect(memory.unknownTypes.types()).toEqual(['teleport'])
})

test('does not run a queued execution of an unknown type', async () => {
  // Uses a new task id, because this process still ignores the previous test's task.
  await db()`select setval('tasks_id_seq', 10)`
  const id = await insertTask({ type: 'teleport' })
  await db()`
    update task_state set status = 'queued', execution_id = nextval('execution_ids'), scheduled_for = now(), due_at = now(),
      unheld_due_at = now(), attempt = 2, trigger = 'schedule'`
  await tickAndRun(DUE)
  await tickAndRun(DUE)
  expect(await historyOf(id)).toMatchObject([{ status: 'queued', attempt: 2 }])
})

test('warns, at most once a minute, about tasks that do not run and are more than misfire_grace_seconds late', () => {
  vi.useFakeTimers({ now: 0, toFake: ['performance'] })
  const warnings = vi.spyOn(logger, 'warn')
  const unknownTypes = new UnknownTypes()
  const look = (id: number, dueForMs: number) => {
    const work = { problem: 'no runner', unknownType: 'beam' }
    const task = { id, work, misfire_grace_seconds: 60 } as Definition
    if (!unknownTypes.taskIds().includes(id)) unknownTypes.isRunnable(task, dueForMs)
  }
  try {
    // Task 2 is tried again halfway between two tries of task 1.
    for (const [id, seconds] of [
      [1, 0],
      [2, 30],
      [1, 59],
      [1, 61],
      [2, 91],
      [1, 122],
    ] as const) {
      vi.advanceTimersByTime(seconds * 1000 - performance.now())
      look(id, seconds * 1000)
    }
    expect(warnings.mock.calls.map(([message]) => message)).toEqual([
      'tasks left to other processes',
      'task does not run',
      'task does not run',
    ])
  } finally {
    warnings.mockRestore()
    vi.useRealTimers()
  }
})
