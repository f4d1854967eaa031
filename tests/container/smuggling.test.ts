import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { shapes, unfinished } from './smuggling.ts'

const LONGEST_MS = 10_000

let replica: Replica

beforeAll(async () => {
  replica = await startReplica(process.env.DATABASE_URL ?? '', { SCHEDULER_ENABLE: 'false' })
})

afterAll(async () => {
  await replica.kill()
})

/** Returns a request that creates a task with this name. */
function hidden(name: string): string {
  const schedule = { schedule_type: 'once', next_run_at: '2100-01-01T00:00:00Z' }
  const body = JSON.stringify({ name, type: 'sleep', ...schedule })
  const head = ['POST /tasks HTTP/1.1', 'Host: a', 'X-Api-Key: chaos', 'Content-Type: application/json']
  return [...head, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n')
}

const LAST = 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** Sends bytes, and returns the statuses of the responses until the server closes the connection. */
async function statusesOf(text: string, hangsUp: boolean): Promise<number[]> {
  const socket = connect(Number(new URL(replica.url).port), '127.0.0.1')
  socket.setTimeout(LONGEST_MS, () => socket.destroy(new Error('the server neither answered nor closed')))
  let received = ''
  socket.setEncoding('latin1').on('data', (data) => {
    received += data
    if (/^connection: close/im.test(received)) socket.end()
  })
  // A server that refuses a request may reset the connection, since it doesn't read the rest.
  let failure: NodeJS.ErrnoException | undefined
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') failure = error
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  socket.write(Buffer.from(text, 'utf8'))
  if (hangsUp) socket.end()
  await closed
  if (failure) throw failure
  const statuses = Array.from(received.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status))
  // It doesn't matter whether the server asks for the body with a 100.
  return statuses.filter((status) => status !== 100)
}

/**
 * Returns every list of statuses that is as acceptable as this one. A server may always close the connection after its
 * response. If it must close it, a 400 is acceptable too, since the server may find that what follows is unreadable
 * before it has responded.
 */
function rightStatuses(statuses: number[]): number[][] {
  const [first] = statuses
  if (first === undefined) return [[]]
  return statuses.length === 1 ? [[first], [400]] : [statuses, [first]]
}

const namesOf = async (): Promise<string[]> => {
  const rows = await db()<{ name: string }[]>`select name from tasks`
  return rows.map(({ name }) => name)
}

const isAlive = async () => expect((await fetch(`${replica.url}/healthz`)).status).toBe(200)

test('runs the hidden request if it is sent on its own', async () => {
  expect(await statusesOf(hidden('not hidden') + LAST, false)).toEqual([201, 200])
  expect(await namesOf()).toEqual(['not hidden'])
})

describe('answers a request that others might read as two', () => {
  test.each(shapes)('%s', async (title, statuses, text) => {
    const actual = await statusesOf(text(hidden(title)) + LAST, false)
    expect(rightStatuses(statuses)).toContainEqual(actual)
    await isAlive()
  })

  test.each(unfinished)('%s', async (title, statuses, text) => {
    expect(await statusesOf(text(hidden(title)), true)).toEqual(statuses)
    await isAlive()
  })
})

test('has run none of the hidden requests', async () => {
  expect(await namesOf()).toEqual(['not hidden'])
})
