import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientOf } from '../../infra/container/client.ts'
import { decodeBase64 } from '../../infra/container/decode-base64.ts'
import { normalize } from '../../infra/container/target.ts'

test.for([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['2001::1:2:3:4:5', '2001:0:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['1:2:3:4:5:6:7:8:9::', '1:2:3:4::/64'],
  ['', ''],
] as const)('the address %s belongs to %s', ([address, client]) => {
  expect(clientOf(address)).toBe(client)
})

test.for([
  ['/tasks', '/tasks'],
  ['/%74%41sks?%74', '/tAsks?%74'],
  ['/%2D%2e%5F%7e%30', '/-._~0'],
  ['/%2F%25%3F%00%ff', '/%2F%25%3F%00%ff'],
  ['/%2574', '/%2574'],
  ['/%25%37%34', '/%2574'],
  ['/%%37%34', '/%%37%34'],
  ['/%7', '/%7'],
  ['http://host/%74?%zz', '/t?%zz'],
  ['*', '*'],
] as const)('the target %s becomes %s', ([target, normal]) => {
  expect(normalize(target)).toBe(normal)
})

test('a path keeps its meaning, and nothing is decoded a second time', () => {
  const path = fc
    .array(fc.constantFrom('%2', '%25', '%37', '%41', '%', '/', '7', '4', 'f'))
    .map((it) => it.join(''))
  const decoded = (text: string): string => {
    try {
      return decodeURIComponent(text)
    } catch {
      return 'malformed'
    }
  }
  fc.assert(
    fc.property(path, (it) => {
      expect(decoded(normalize(`/${it}`))).toBe(decoded(`/${it}`))
      expect(normalize(normalize(`/${it}`))).toBe(normalize(`/${it}`))
    }),
  )
})

test('a large base64 body is decoded once, and not kept for ever', () => {
  const large = Buffer.alloc(1_000_000, 'a').toString('base64')
  const first = decodeBase64(large)
  expect(first.toString()).toBe('a'.repeat(1_000_000))
  expect(decodeBase64(large)).toBe(first)
  for (let index = 0; index < 10; index += 1) decodeBase64(Buffer.alloc(1_000_000, index).toString('base64'))
  expect(decodeBase64(large)).not.toBe(first)
  expect(decodeBase64('YQ==')).not.toBe(decodeBase64('YQ=='))
})
