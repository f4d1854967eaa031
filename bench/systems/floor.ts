import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import postgres, { type Sql } from 'postgres'
import type { Recorder } from '../worker/recorder.ts'
import type { Settings } from './settings.ts'
import type { OpenSystem, System } from './system.ts'

/** The claims and settlements of a pgbench script. No scheduler with this SQL can be faster. */

const BATCH = 500
const CLIENTS = 2

/** Plans that stay good while the ledger grows from nothing. Cached plans, made for empty tables, become quadratic. */
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

/** Fills the tables of each layout. */
const SEED = new URL('./floor/seed.sql', import.meta.url)

/** The statements of one layout of the tables, in a folder of their own: schema.sql, run.sql. */
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
  // Both clients sometimes get less than a full batch, when they look at the same rows.
  const transactions = Math.ceil((target / BATCH / CLIENTS) * 1.1) + 2
  const url = new URL(databaseUrl)
  // Not as arguments, which everybody on the machine can read.
  const password = decodeURIComponent(url.password)
  url.password = ''
  const args = ['-n', '-M', 'prepared', '-c', CLIENTS, '-j', CLIENTS, '-t', transactions, '-P', 1]
  return spawn('pgbench', [...args.map(String), '-f', fileURLToPath(script), url.href], {
    env: { ...process.env, PGOPTIONS, PGPASSWORD: password },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** Counts what pgbench reports each second, and the rest at its end. */
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
