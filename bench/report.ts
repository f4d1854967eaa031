import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { chart } from './report/chart.ts'
import { markdown } from './report/markdown.ts'
import type { Results } from './results.ts'
import { rows } from './rows/all.ts'

/**
 * Prints docs/benchmarks.md from the files that `npm run bench -- --json` wrote. A file may contain only some of the
 * rows. Without files, prints everything except the numbers. `--svg FILE` also writes the chart.
 */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { svg: { type: 'string' } } })
const files = positionals.map((file): Results => JSON.parse(readFileSync(file, 'utf8')))
const [first] = files
const commit = [...new Set(files.map(({ machine }) => machine.commit))].join(', ')
const all: Results | null = first
  ? { ...first, machine: { ...first.machine, commit }, results: files.flatMap(({ results }) => results) }
  : null
process.stdout.write(markdown(all))
if (all && values.svg !== undefined) writeFileSync(values.svg, chart(rows, all.results))
