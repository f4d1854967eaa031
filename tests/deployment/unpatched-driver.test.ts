import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SERVERLESS = 'node_modules/serverless/bin/serverless.js'
const MESSAGE =
  'postgres.js is not patched, so dead connections would hang: run `node infra/patches/postgres.mjs`'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unpatched-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** Runs a command with an unpatched driver. Returns its exit code and output. */
function run(...args: string[]): Promise<{ code: unknown; output: string }> {
  const { PATH, HOME, DATABASE_URL } = process.env
  const env = { PATH, HOME, DATABASE_URL, PORT: '0', API_KEY: 'test key' }
  const preload = ['--import', './tests/setup/unpatched-driver.ts']
  return new Promise((resolve) => {
    execFile(process.execPath, [...preload, ...args], { cwd: ROOT, env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    )
  })
}

test.each(['infra/container/main.ts', 'infra/migrations/main.ts'])(
  '%s says in one line that the driver is not patched, and exits',
  async (main) => {
    expect(await run(main)).toEqual({ code: 1, output: `${MESSAGE}\n` })
  },
)

test.each([
  ['offline', ['offline', 'start']],
  ['package', ['package', '--package', '']],
])('serverless %s says that the driver is not patched, and exits', async (_name, args) => {
  const { code, output } = await run(SERVERLESS, ...args.map((it) => it || folder))
  expect(output).toContain(MESSAGE)
  expect(code).toBe(1)
})
