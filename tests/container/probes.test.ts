import { afterAll, beforeAll, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { eventually } from '../setup/eventually.ts'
import { type Link, startLink } from '../setup/link.ts'

let link: Link
let replica: Replica

beforeAll(async () => {
  link = await startLink(process.env.DATABASE_URL ?? '')
  replica = await startReplica(link.url, { LEASE_SECONDS: '1', TICK_INTERVAL_MS: '200', LOG_LEVEL: 'WARN' })
})

afterAll(async () => {
  await replica.kill()
  link.close()
})

async function ask(path: string) {
  const response = await fetch(`${replica.url}${path}`)
  const { status, reason, scheduler } = (await response.json()) as Record<string, unknown>
  return { code: response.status, status, reason, scheduler }
}

const soon = (path: string, expected: object) =>
  eventually(async () => expect(await ask(path)).toMatchObject(expected))

test('a process whose database is down is not ready but still healthy', async () => {
  await soon('/readyz', { code: 200, status: 'ready', scheduler: { state: 'ok', reasons: [] } })
  link.stall()
  await soon('/readyz', { code: 503, reason: 'database' })
  await eventually(async () => expect(replica.warnings.join()).toContain('tick is overdue'))
  expect(await ask('/healthz')).toMatchObject({ code: 200, status: 'ok' })
  link.resume()
  await soon('/readyz', { code: 200, scheduler: { state: 'ok' } })
  await eventually(async () => expect(replica.warnings.join()).toContain('tick is on time again'))
})

test('a process with a late scheduler stays ready, but becomes unhealthy if the scheduler is stuck', async () => {
  await db().begin(async (tx) => {
    await tx`lock table claims in access exclusive mode`
    await soon('/readyz', { code: 200, scheduler: { state: 'degraded', reasons: ['tick_overdue'] } })
    await soon('/healthz', { code: 503, reason: 'scheduler' })
    expect(await ask('/readyz')).toMatchObject({ code: 200 })
  })
  await soon('/healthz', { code: 200 })
})
