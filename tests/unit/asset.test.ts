import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { expect, test } from 'vitest'
import { assetOf } from '../../shared/http/asset.ts'

/** `reply` reads nothing else from an event. */
const asking = (headers: Record<string, string> = {}) => ({ headers }) as unknown as APIGatewayProxyEventV2

test('reads its content only once, however many requests arrive at the same time', async () => {
  let reads = 0
  const asset = assetOf('text/plain', async () => Buffer.from(`read ${++reads}`))
  const encodings = ['identity', 'gzip', 'br', 'identity', 'gzip', 'br']
  const replies = await Promise.all(encodings.map((it) => asset.reply(asking({ 'accept-encoding': it }))))
  expect(replies.map(({ status }) => status)).toEqual(encodings.map(() => 200))
  const again = await asset.reply(asking())
  expect([reads, Buffer.from(String(again.body), 'base64').toString()]).toEqual([1, 'read 1'])
})

test('reads its content again after a failure', async () => {
  let reads = 0
  const asset = assetOf('text/plain', async () => {
    reads += 1
    if (reads === 1) throw new Error('too many open files')
    return Buffer.from('content')
  })
  await expect(asset.reply(asking())).rejects.toThrow('too many open files')
  expect(await asset.reply(asking())).toMatchObject({ status: 200 })
})
