import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const LOGGER = new URL('../../shared/logger.ts', import.meta.url)

/** Logs in a separate process, since the format is fixed when the module is loaded. Returns the output. */
async function print(json: boolean, message: string, extra: object): Promise<string> {
  const script = `import { logger } from '${LOGGER}'
    logger.info(${JSON.stringify(message)}, ${JSON.stringify(extra)})`
  const env = { ...process.env, LOG_LEVEL: 'INFO', LOG_JSON: String(json) }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env,
  })
  return stdout
}

test('a plain-text log entry stays on one line, even if the path contains a line break', async () => {
  const line = await print(false, 'request', {
    method: 'GET',
    path: '/a\n2027-01-01 INFO forged',
    status: 404,
  })
  expect(line).toMatch(/^\S+ INFO request method=GET path="\/a\\n2027-01-01 INFO forged" status=404\n$/)
})

test.for([false, true])('hidden characters are escaped with LOG_JSON=%s', async (json) => {
  const path = '/a\u202eb\u009b\u200bc'
  const line = await print(json, 'request', { path, tags: ['\u2066'] })
  expect(line).toContain('/a\\u202eb\\u009b\\u200bc')
  expect(line).toContain('["\\u2066"]')
  if (json) expect(JSON.parse(line)).toMatchObject({ path, tags: ['\u2066'] })
})

test('errors and warnings are printed to stderr as JSON', async () => {
  const script = `import { logger } from '${LOGGER}'
    for (const level of ['debug', 'info', 'warn', 'error', 'critical']) logger[level](level)`
  const env = { ...process.env, LOG_LEVEL: 'DEBUG', LOG_JSON: 'true' }
  const options = ['--input-type=module', '-e', script]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, options, { env })
  const messages = (text: string) => [...text.matchAll(/"message":"(\w+)"/g)].map(([, message]) => message)
  expect([messages(stdout), messages(stderr)]).toEqual([
    ['debug', 'info'],
    ['warn', 'error', 'critical'],
  ])
})

test('a JSON log entry is one JSON object', async () => {
  const line = await print(true, 'request', { path: '/a\nb', status: 404 })
  expect(JSON.parse(line)).toMatchObject({ level: 'INFO', message: 'request', path: '/a\nb', status: 404 })
})
