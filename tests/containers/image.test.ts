import { expect, inject, test } from 'vitest'
import { conformance } from '../conformance/conformance.ts'
import { startContainer } from './container.ts'
import { docker } from './docker.ts'

conformance('container image', startContainer)

test('names the missing setting when there is no database', async () => {
  await expect(docker(['run', '--rm', '--read-only', inject('stack').image])).rejects.toThrow(
    'No PostgreSQL found. Set DATABASE_URL, such as postgres://user:password@host:5432/database',
  )
})
