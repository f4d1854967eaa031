import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chooseEncoding } from '../../shared/http/accept-encoding.ts'

test.for([
  [undefined, 'identity'],
  ['', 'identity'],
  ['gzip', 'gzip'],
  ['br', 'br'],
  ['gzip, deflate, br, zstd', 'br'],
  ['GZIP', 'gzip'],
  ['x-gzip', 'gzip'],
  ['gzip;q=0.5, br;q=0.1', 'gzip'],
  ['gzip ; q=0.8 , br;Q=0.9', 'br'],
  ['gzip;q=0', 'identity'],
  ['br;q=0, gzip', 'gzip'],
  ['br;q=0.000, gzip;q=0.001', 'gzip'],
  ['*', 'br'],
  ['*;q=0.1', 'br'],
  ['br;q=0, *', 'gzip'],
  ['br;q=0, gzip;q=0, *', 'identity'],
  ['gzip, *;q=0', 'gzip'],
  ['*;q=0', 'identity'],
  ['identity', 'identity'],
  ['identity, gzip;q=0.5', 'identity'],
  ['identity;q=0.5, gzip', 'gzip'],
  ['identity;q=0, gzip', 'gzip'],
  ['identity;q=0, *;q=0', 'identity'],
  ['deflate, zstd', 'identity'],
  ['gzip;q=2', 'identity'],
  ['gzip;q=a, br;level=1', 'identity'],
  ['gzipx, brotli', 'identity'],
  [',,gzip,,', 'gzip'],
] as const)('for the header %j, chooses the encoding %s', ([header, encoding]) => {
  expect(chooseEncoding(header)).toBe(encoding)
})

test('never chooses an encoding that the header does not allow', () => {
  const item = fc.tuple(fc.constantFrom('br', 'gzip', 'identity'), fc.integer({ min: 0, max: 10 }))
  fc.assert(
    fc.property(fc.uniqueArray(item, { selector: ([name]) => name }), (items) => {
      const weights = new Map(items)
      const chosen = chooseEncoding(items.map(([name, q]) => `${name};q=${q / 10}`).join(','))
      const best = Math.max(0, ...weights.values())
      if (best === 0) expect(chosen).toBe('identity')
      else expect(weights.get(chosen)).toBe(best)
    }),
  )
})
