import { expect, test } from 'vitest'
import { handler as listTasks } from '../../functions/tasks/list.ts'
import { problem } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'

const list = (key: string, sourceIp: string) =>
  call(listTasks, { method: 'GET', path: '/tasks', headers: { 'x-api-key': key }, sourceIp })

test('slows down an address that guesses keys, but never a correct key from the same address', async () => {
  const statuses = new Set<number | undefined>()
  for (let guess = 0; guess < 30; guess += 1) {
    statuses.add((await list(`guess-${guess}`, '2001:db8::1')).statusCode)
    expect((await list('test-key', '2001:db8::1')).statusCode).toBe(200)
  }
  expect([...statuses]).toEqual([401, 429])
  const { headers, body } = await list('guess', '2001:db8::2')
  expect(body).toEqual(problem('too_many_requests', 'too many wrong keys from this address').body)
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  expect((await list('guess', '2001:db8:0:1::1')).statusCode).toBe(401)
})
