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

test('each key has a limit on its requests in progress, which does not affect other keys', async () => {
  const answers = await statusesOf([
    list('ci-key-0123456789'),
    ...Array.from({ length: 4 }, () => list('test-key')),
  ])
  expect(answers).toEqual([200, 200, 200, 200, 429])
})

test('each key has a limit on its requests per minute, which does not affect other keys', async () => {
  for (let sent = 0; sent < 5; sent += 1) expect((await list('ops-key-0123456789')).statusCode).toBe(200)
  const { statusCode, headers, body } = await list('ops-key-0123456789')
  expect([statusCode, body.detail]).toEqual([429, 'too many requests with the key ops'])
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  expect((await list('ci-key-0123456789')).statusCode).toBe(200)
})
