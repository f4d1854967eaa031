import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables } from '../setup/rows.ts'

let replica: Replica

beforeAll(async () => {
  await emptyTables()
  replica = await startReplica(process.env.DATABASE_URL ?? '', {
    API_KEY: 'changeme',
    LOG_LEVEL: 'WARN',
    LEASE_SECONDS: '3',
  })
})

afterAll(async () => {
  await replica.kill()
  await emptyTables()
})

/** Returns the shell commands of a page, unchanged, from the given text onwards. */
async function linesOf(page: string, from = ''): Promise<string> {
  const text = await readFile(new URL(`../../${page}`, import.meta.url), 'utf8')
  const blocks = text.slice(text.indexOf(from)).matchAll(/```sh\n([\s\S]*?)```/g)
  return Array.from(blocks, ([, lines]) => lines).join('\n')
}

/** Runs commands in a shell, with the replica's URL in place of http://localhost:8000. Returns their output. */
function run(lines: string): Promise<string> {
  const script = `set -e\n${lines.replaceAll('http://localhost:8000', replica.url)}`
  return new Promise((resolve, reject) => {
    execFile('bash', ['-c', script], (error, stdout, stderr) =>
      error ? reject(new Error(stderr, { cause: error })) : resolve(stdout),
    )
  })
}

test('the quick start commands work, even when repeated', { timeout: 60_000 }, async () => {
  const lines = await linesOf('docs/quick-start.md')
  for (const time of ['first', 'second']) {
    const output = await run(lines)
    expect(output, time).not.toContain('"code":')
    expect(output, time).toContain('"note":"02:30 does not exist on this day')
    expect(output, time).toContain('"detail":"stopped on request"')
    expect(output, time).toContain('"deleted":true')
  }
})

test("the README's first task runs", { timeout: 30_000 }, async () => {
  const output = await run(await linesOf('README.md', '## The first task'))
  expect(output).toContain('"status":"success"')
  expect(output).toContain('"changed":1')
})

test('each question is answered by the lines below it', { timeout: 60_000 }, async () => {
  const refused =
    '{"type":"http","schedule_type":"interval","interval_seconds":3600,"params":{"url":"http://127.0.0.1:1/"}}'
  const hello = '{"type":"counter","schedule_type":"interval","interval_seconds":3600}'
  for (const [name, task] of Object.entries({ refused, hello })) {
    await run(`curl -sf -X PUT http://localhost:8000/tasks/by-name/${name} -H 'content-type: application/json' \
      -H 'x-api-key: changeme' -d '${task}'`)
  }
  const lines = await linesOf('docs/questions.md')
  await eventually(async () => {
    const output = await run(lines)
    expect(output).toMatch(/"task_name":"refused".*"error_code":"refused"/)
    expect(output).toMatch(/ refused +failed /)
    expect(output).toContain('"matched":1,"changed":0,"open":0')
    expect(output).toMatch(/"name":"refused".*"state":"failing"/)
    expect(output).toMatch(/"name":"hello".*"last_execution":\{"id":\d+,"status":"success"/)
    expect(output).not.toContain('"code":')
  })
})

test('the TypeScript API example runs', { timeout: 30_000 }, async () => {
  const output = await run(
    `API_URL=http://localhost:8000 API_KEY=changeme ${process.execPath} examples/api/main.ts`,
  )
  expect(output).toMatch(/^task \d+ is due at .*\n\S+ success \{"count":1\}\n$/)
})
