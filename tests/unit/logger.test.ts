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

test('a JSON log entry is one JSON object', async () => {
  const line = await print(true, 'request', { path: '/a\nb', status: 404 })
  expect(JSON.parse(line)).toMatchObject({ level: 'INFO', message: 'request', path: '/a\nb', status: 404 })
})
