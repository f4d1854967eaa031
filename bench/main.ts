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

/** Runs the chosen rows, prints their tables and writes the files that the options name. */
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
      // Written after each row, so that stopping a long benchmark doesn't lose the results so far.
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
    throw new Error(
      `unknown ${kind} ${unknown.join(', ')}; known: ${known.map(({ name }) => name).join(', ')}`,
    )
  }
  return names.length === 0 ? known : known.filter(({ name }) => names.includes(name))
}

function withoutMissing(chosen: SystemEntry[]): SystemEntry[] {
  if (hasPgbench() || !chosen.some(isFloor)) return chosen
  console.log('pgbench not found, so the floor is skipped (Debian: apt-get install postgresql-contrib).')
  return chosen.filter((system) => !isFloor(system))
}

const isFloor = ({ name }: SystemEntry): boolean => name.startsWith('floor')

/** Returns a signal that aborts on SIGINT or SIGTERM. The current trial then ends, and cleanup runs as usual. */
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

// Whatever reads the output may exit first (`| head`). The server and the databases must still be cleaned up.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
process.exit()
