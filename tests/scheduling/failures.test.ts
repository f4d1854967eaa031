import '../setup/doctor.ts'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as cancel } from '../../functions/executions/cancel.ts'
import { db } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { runErrorOf } from '../../shared/runners/error-code.ts'
import { pauseTasks } from '../../shared/scheduling/control/pause.ts'
import { handBackClaims } from '../../shared/scheduling/repair/drop-claims.ts'
import { leavesBroken } from '../setup/doctor.ts'
import { call } from '../setup/http-event.ts'
import { changeTasks, emptyTables, insertOpen, insertTask } from '../setup/rows.ts'
import { expireLeases, historyOf, startAll, tickAndRun, tickOnly } from '../setup/scheduler.ts'
import { startTarget } from '../setup/target.ts'

const DUE = new Date('2027-03-10T00:00:00.400Z')

const calls = (url: string) => ({ type: 'http', params: { url } })
const refused = calls('http://127.0.0.1:1/')

/** What was logged as a warning or an error: each message with its properties. */
let warnings: unknown[][]
let errors: unknown[][]

beforeEach(async () => {
  await emptyTables()
  warnings = vi.spyOn(logger, 'warn').mockReturnValue().mock.calls
  errors = vi.spyOn(logger, 'error').mockReturnValue().mock.calls
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** Claims and starts the due task, then lets its lease run out, and ticks. */
async function lose(): Promise<void> {
  const { claims } = await tickOnly(DUE)
  for (const claim of claims) await startAll(claim)
  await expireLeases()
  await tickOnly(DUE)
}

const lastOf = async (id = 1) => {
  const ended = (await historyOf(id)).filter(({ finished_at }) => finished_at !== null)
  const { status, error_code } = ended.at(-1) ?? {}
  return { status, error_code }
}

describe('the error code', () => {
  test('of a success is null', async () => {
    await insertTask({ params: { duration: 0 } })
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'success', error_code: null })
  })

  test('of a status that is not expected is http_status', async () => {
    await using target = await startTarget((response) => response.writeHead(503).end())
    await insertTask(calls(target.url))
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'failed', error_code: 'http_status' })
  })

  test('of a refused connection is refused', async () => {
    await insertTask(refused)
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'failed', error_code: 'refused' })
  })

  test('of a connection that the target closes is reset', async () => {
    await using target = await startTarget((response) => response.destroy())
    await insertTask(calls(target.url))
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'failed', error_code: 'reset' })
  })

  test('of a host that does not exist is dns', async () => {
    await insertTask(calls('http://nothing.invalid/'))
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'failed', error_code: 'dns' })
  })

  test('of a target that does not speak TLS is tls', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    )
    try {
      await new Promise((resolve) => server.once('listening', resolve))
      const address = server.address()
      await insertTask(calls(`https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`))
      await tickAndRun(DUE)
      expect(await lastOf()).toEqual({ status: 'failed', error_code: 'tls' })
    } finally {
      server.close()
    }
  })

  test('of a timeout is timeout', async () => {
    await insertTask({ params: { duration: 3600 }, timeout_seconds: 0.05 })
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'timeout', error_code: 'timeout' })
  })

  test('of params that do not fit the type is bad_params', async () => {
    await insertTask({ params: { duration: 'long' } })
    await tickAndRun(DUE)
    expect(await lastOf()).toEqual({ status: 'failed', error_code: 'bad_params' })
  })

  test('of a lost execution is lost', async () => {
    await insertTask()
    await lose()
    expect(await lastOf()).toEqual({ status: 'lost', error_code: 'lost' })
  })

  test('of a cancelled execution is cancelled', async () => {
    await insertTask()
    await insertOpen('queued')
    await call(cancel, { method: 'POST', path: '/executions/{id}/cancel', pathParameters: { id: '1' } })
    expect(await lastOf()).toEqual({ status: 'cancelled', error_code: 'cancelled' })
  })

  test('of an execution that a pause cancelled is paused', async () => {
    await insertTask()
    await insertOpen('queued')
    await pauseTasks(db(), [1], { until: null, reason: null })
    expect(await lastOf()).toEqual({ status: 'cancelled', error_code: 'paused' })
  })

  test.for([
    ['cancelled', { cancel_requested_at: '2027-01-01T00:00:00Z' }],
    ['paused', { paused_at: '2027-01-01T00:00:00Z' }],
  ] as const)('of an execution that was handed back is %s', async ([errorCode, given]) => {
    await insertTask()
    await insertOpen('running', given)
    const [claim] = await db()<{ id: string }[]>`select id from claims`
    await handBackClaims(db(), [claim?.id ?? ''])
    expect(await lastOf()).toEqual({ status: 'cancelled', error_code: errorCode })
  })

  test.for([
    [{ code: 'EAI_AGAIN' }, 'dns'],
    [{ code: 'EPIPE' }, 'reset'],
    [{ code: 'ETIMEDOUT' }, 'unreachable'],
    [{ code: 'ENETUNREACH' }, 'unreachable'],
    [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'tls'],
    [{ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, 'tls'],
    [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'tls'],
    [{ code: 'ERR_INVALID_ARG_TYPE' }, 'error'],
    [{}, 'error'],
  ] as const)('of %j is %s', ([given, errorCode]) => {
    expect(runErrorOf(Object.assign(new Error('no'), given))).toBe(errorCode)
  })

  test('of a thrown value that is no error is error', () => {
    expect(runErrorOf({ code: 'ECONNREFUSED' })).toBe('error')
  })
})

const keys = { execution_id: 1, task_id: 1, task_name: 'a', attempt: 1 }

describe('the log', () => {
  test('has a warning for a failure', async () => {
    await insertTask(refused)
    await tickAndRun(DUE)
    const line = {
      ...keys,
      status: 'failed',
      duration_ms: expect.any(Number),
      detail: 'connect ECONNREFUSED 127.0.0.1:1',
      error_code: 'refused',
    }
    expect(warnings).toEqual([['execution failed', line]])
    expect(errors).toEqual([])
  })

  test('says in how many seconds a failure is retried', async () => {
    await insertTask({ ...refused, max_attempts: 2, retry_backoff_seconds: 1000 })
    await tickAndRun(DUE)
    expect(warnings).toMatchObject([['execution failed', { ...keys, retry_in: expect.any(Number) }]])
  })

  test('has a warning for a timeout', async () => {
    await insertTask({ params: { duration: 3600 }, timeout_seconds: 0.05 })
    await tickAndRun(DUE)
    expect(warnings).toMatchObject([
      ['execution failed', { ...keys, status: 'timeout', error_code: 'timeout' }],
    ])
  })

  test('has a warning for a lost execution', async () => {
    await insertTask()
    await lose()
    const detail = 'the worker went silent: its lease ran out'
    expect(warnings).toEqual([['execution lost', { ...keys, status: 'lost', detail, error_code: 'lost' }]])
  })

  test('has neither a warning nor an error for a success', async () => {
    await insertTask({ params: { duration: 0 } })
    await tickAndRun(DUE)
    expect([...warnings, ...errors]).toEqual([])
  })

  const paused = (reason: unknown) => [['task paused itself', { task_id: 1, task_name: 'a', reason }]]

  test('has one error when failures pause a task', async () => {
    await insertTask({ ...refused, pause_after_failures: 2, consecutive_failures: 1 })
    await tickAndRun(DUE)
    await tickAndRun(DUE)
    expect(errors).toEqual(paused('failed 2 times in a row'))
  })

  test('has no error for a failure that does not pause the task', async () => {
    await insertTask({ ...refused, pause_after_failures: 3, consecutive_failures: 1 })
    await tickAndRun(DUE)
    expect(errors).toEqual([])
  })

  test('has one error when losses pause a task', async () => {
    await insertTask({ crash_limit: 0 })
    await lose()
    await tickOnly(DUE)
    expect(errors).toEqual(paused('one occurrence was lost 1 times: more than its crash_limit'))
  })

  test('has one error when a schedule that cannot be read pauses its task', async () => {
    leavesBroken('schedule')
    await insertTask({ schedule_type: 'cron', interval_seconds: null, cron_expression: '* * * * *' })
    await changeTasks({ cron_expression: 'soon' })
    await tickOnly(DUE)
    await tickOnly(DUE)
    expect(errors).toEqual(paused(expect.stringMatching(/^unreadable schedule: /)))
  })
})
