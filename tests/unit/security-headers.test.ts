import { expect, test } from 'vitest'
import { securityHeaders } from '../../shared/http/security-headers.ts'
import { PAGE_SECURITY, SECURITY } from '../setup/expected.ts'

test('tells browsers to use https only if clients use it', () => {
  expect(securityHeaders({ isTls: false })).toEqual({ page: PAGE_SECURITY, data: SECURITY })
  const strict = { 'strict-transport-security': 'max-age=31536000' }
  expect(securityHeaders({ isTls: true })).toEqual({
    page: { ...PAGE_SECURITY, ...strict },
    data: { ...SECURITY, ...strict },
  })
})
