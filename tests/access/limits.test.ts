import { expect, test } from 'vitest'

process.env.RATE_LIMIT_PER_MINUTE = '5'
process.env.MAX_CONCURRENT_REQUESTS = '3'
process.env.API_KEYS = 'ci:read:ci-key-0123456789,ops:read:ops-key-0123456789'
const { call } = await import('../setup/http-event.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')

const list = (key: string) =>
  call(listTasks, { method: 'GET', path: '/tasks', headers: { 'x-api-key': key } })

const statusesOf = async (answers: Promise<{ statusCode?: number | undefined }>[]) =>
  (await Promise.all(answers)).map(({ statusCode }) => statusCode)

test('a key may have only so many requests in progress, and other keys are not affected', async () => {
  const answers = await statusesOf([
    list('ci-key-0123456789'),
    ...Array.from({ length: 4 }, () => list('test-key')),
  ])
  expect(answers).toEqual([200, 200, 200, 200, 429])
})

test('a key may send only so many requests per minute, and other keys are not affected', async () => {
  for (let sent = 0; sent < 5; sent += 1) expect((await list('ops-key-0123456789')).statusCode).toBe(200)
  const { statusCode, headers, body } = await list('ops-key-0123456789')
  expect([statusCode, body.detail]).toEqual([429, 'too many requests with the key ops'])
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  expect((await list('ci-key-0123456789')).statusCode).toBe(200)
})
