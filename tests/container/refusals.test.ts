import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Listening, listen } from '../../infra/container/server.ts'
import { head, open } from './sockets.ts'

let server: Listening

beforeAll(async () => {
  server = await listen(() => {}, { host: '127.0.0.1', port: 0 })
})

afterAll(() => server.close(0))

/** Returns the head and the body of the response to raw text that ends its connection. */
const refused = async (text: string) => {
  const { closed } = await open(server.url, text)
  const [top = '', body = ''] = (await closed).split('\r\n\r\n')
  return { top: top.toLowerCase(), body }
}

test('an unreadable HEAD gets the headers of the same GET, and no body', async () => {
  const get = await refused(head('GET /%ff\x01 HTTP/1.1', 'Host: a'))
  const { top, body } = await refused(head('HEAD /%ff\x01 HTTP/1.1', 'Host: a'))
  expect(top).toMatch(/^http\/1\.1 400 /)
  expect(top).toContain(`content-length: ${get.body.length}`)
  expect(body).toBe('')
})
