import { writeFileSync } from 'node:fs'
import { hasPgbench, installPeers } from './install.ts'
import { interleave } from './interleave.ts'
import { describeMachine } from './machine.ts'
import { type Options, readOptions } from './options.ts'
import { chart } from './report/chart.ts'
import { print, tablesOf } from './report/table.ts'
import type { Result, Results } from './results.ts'
import { rows } from './rows/all.ts'
import { findServer } from './server/postgres.ts'
import { isPeer, type SystemEntry, systems } from './systems/catalogue.ts'
import { killWorkers } from './worker/fork.ts'

/** Measures what was asked for, prints it, and writes it where that was asked for. Null options: nothing to do. */
async function main(options: Options | null): Promise<void> {
  if (options === null) return
  const chosenRows = choose('row', rows, options.rows)
  const chosenSystems = withoutMissing(choose('system', systems, options.systems))
  if (chosenSystems.some(isPeer)) installPeers()
  const stopping = stopOnSignals()
  const server = await findServer()
  try {
    const machine = await describeMachine(server)
    console.log(
      `${machine.cores} x ${machine.cpu}, Node ${machine.node}, ${machine.postgres} (${machine.server})`,
    )
    const all: Result[] = []
    for (const row of chosenRows) {
      const cases = row.cases(options.quick ? 'quick' : 'full')
      const names = options.quick && options.systems.length === 0 ? row.quick : row.systems
      const chosen = chosenSystems.filter(({ name }) => names.includes(name) && row.systems.includes(name))
      const plan = {
        server,
        systems: chosen,
        repetitions: options.repetitions ?? (options.quick ? 1 : row.repetitions),
        signal: stopping,
        tell: progress,
      }
      all.push(...(await interleave(row, cases, plan)))
      for (const table of tablesOf(row, all)) console.log(print(table))
      // After each row, so that a long run which is stopped leaves what it has.
      write(options, { machine, quick: options.quick, results: all })
    }
    if (all.some(({ note }) => note?.startsWith('failed'))) process.exitCode = 1
  } finally {
    killWorkers()
    await server.stop()
  }
}

function choose<T extends { name: string }>(kind: string, known: T[], names: string[]): T[] {
  const unknown = names.filter((name) => !known.some((it) => it.name === name))
  if (unknown.length > 0) {
    throw new Error(`no ${kind} ${unknown.join(', ')}; there are ${known.map(({ name }) => name).join(', ')}`)
  }
  return names.length === 0 ? known : known.filter(({ name }) => names.includes(name))
}

function withoutMissing(chosen: SystemEntry[]): SystemEntry[] {
  if (hasPgbench() || !chosen.some(({ name }) => name === 'floor')) return chosen
  console.log('There is no pgbench, so the floor is left out (Debian: apt-get install postgresql-contrib).')
  return chosen.filter(({ name }) => name !== 'floor')
}

/** The first signal ends the current trial and everything after it; databases and the server are shut down as usual. */
function stopOnSignals(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      stopping.abort()
      process.exitCode = 130
      killWorkers()
    })
  }
  return stopping.signal
}

function progress({ row, case: of, system, repetition, values, note }: Result): void {
  const shown = rows.find(({ name }) => name === row)?.metrics.slice(0, 4) ?? []
  const numbers = shown.flatMap(({ key, label, unit }) => {
    const value = values[key]
    return value === undefined ? [] : [`${label} ${value.toFixed(2)} ${unit}`]
  })
  process.stderr.write(`${row} / ${of} / ${system} #${repetition}: ${[...numbers, note ?? ''].join(', ')}\n`)
}

function write({ json, svg }: Options, results: Results): void {
  if (json !== null) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`)
  if (svg !== null) writeFileSync(svg, chart(rows, results.results))
}

// Whoever reads the output may go first, as head does: the server and the databases must not stay behind for that.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
process.exit()
