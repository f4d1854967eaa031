import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import postgres, { type Sql } from 'postgres'
import type { Recorder } from '../worker/recorder.ts'
import type { Settings } from './settings.ts'
import type { OpenSystem, System } from './system.ts'

/** pgbench runs claims and settlements as bare SQL. No scheduler that uses this SQL can be faster. */

const BATCH = 500
const CLIENTS = 2

/** Settings that keep plans good while the ledger grows. Plans cached for empty tables would take quadratic time. */
const PGOPTIONS = [
  'plan_cache_mode=force_custom_plan',
  'random_page_cost=1',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_seqscan=off',
  'jit=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

/** The statements that fill the tables, for all layouts. */
const SEED = new URL('./floor/seed.sql', import.meta.url)

/** Opens the layout whose statements are in `folder`: schema.sql and run.sql. */
export const openFloor =
  (folder: string): OpenSystem =>
  async (settings): Promise<System> => {
    const file = (name: string): URL => new URL(`./${folder}/${name}`, import.meta.url)

    let child: ChildProcess | undefined
    return {
      install: () => withSql(settings, async (sql) => sql.unsafe(await readFile(file('schema.sql'), 'utf8'))),
      seed: ({ count, firstMs, stepMs, recurring }) =>
        withSql(settings, async (sql) => {
          const values = [count, firstMs, stepMs, recurring ? 1 : null]
          await sql.unsafe(await readFile(SEED, 'utf8'), values)
        }),
      async start(recorder) {
        child = spawnPgbench(settings, file('run.sql'))
        await once(child, 'spawn')
        recorder.withChildren = true
        recorder.begin()
        follow(child, recorder, settings.target)
        return null
      },
      async stop() {
        child?.kill('SIGKILL')
      },
    }
  }

export const open = openFloor('floor')

function spawnPgbench({ databaseUrl, target }: Settings, script: URL): ChildProcess {
  // More than needed, since a client may get less than a full batch when both clients try to lock the same rows.
  const transactions = Math.ceil((target / BATCH / CLIENTS) * 1.1) + 2
  const url = new URL(databaseUrl)
  // Passed in the environment, since any user on the machine can read a process's arguments.
  const password = decodeURIComponent(url.password)
  url.password = ''
  const args = ['-n', '-M', 'prepared', '-c', CLIENTS, '-j', CLIENTS, '-t', transactions, '-P', 1]
  return spawn('pgbench', [...args.map(String), '-f', fileURLToPath(script), url.href], {
    env: { ...process.env, PGOPTIONS, PGPASSWORD: password },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** Counts the runs that pgbench reports each second, and the rest when it exits. */
function follow(child: ChildProcess, recorder: Recorder, target: number): void {
  let counted = 0
  const count = (runs: number) => {
    const fresh = Math.min(runs, target - counted)
    counted += fresh
    if (fresh > 0) recorder.add(fresh)
  }
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    for (const [, tps] of text.matchAll(/^progress: [\d.]+ s, ([\d.]+) tps/gm)) count(Number(tps) * BATCH)
    if (text.includes('ERROR')) process.stderr.write(`pgbench: ${text}`)
  })
  child.on('exit', (code) => {
    if (code === 0) count(target)
  })
}

async function withSql(settings: Settings, work: (sql: Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(settings.databaseUrl, { max: 1, fetch_types: false })
  try {
    await work(sql)
  } finally {
    await sql.end()
  }
}
