import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { loadHandlers } from '../../infra/service/handlers.ts'
import { readService } from '../../infra/service/service.ts'
import type { Operation } from '../../shared/http/operation.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const DOCUMENT = '../../openapi.json'

const run = (file: string, args: string[]) =>
  promisify(execFile)(file, args, { cwd: FOLDER, maxBuffer: 16 * 2 ** 20 })

beforeAll(async () => {
  // The tools are in a separate package, because openapi-typescript needs an older TypeScript.
  if (!existsSync(new URL('node_modules', import.meta.url)))
    await run('npm', ['ci', '--no-audit', '--no-fund'])
}, 120_000)

test('openapi.json passes the linter without warnings', { timeout: 60_000 }, async () => {
  const { stderr } = await run('node_modules/.bin/redocly', ['lint', DOCUMENT, '--config', 'redocly.yaml'])
  expect(stderr).toContain('Your API description is valid')
  expect(stderr).not.toContain('warning')
})

test('client types can be generated from openapi.json', { timeout: 60_000 }, async () => {
  const { stdout } = await run('node_modules/.bin/openapi-typescript', [DOCUMENT])
  expect(stdout).toContain('export interface paths')
})

const service = await readService(fileURLToPath(new URL('../../serverless.yml', import.meta.url)))
const handlers = await loadHandlers(service)
const withBody = Object.entries(handlers)
  .map(([name, handler]) => ({
    name,
    operation: (handler as unknown as { operation?: Operation }).operation,
  }))
  .filter(({ operation }) => operation?.body)

test.each(withBody)('$name accepts the example body that it documents', ({ operation }) => {
  expect(operation?.body?.safeParse(operation.example)).toMatchObject({ success: true })
})
