import { readFileSync } from 'node:fs'
import { markdown } from './report/markdown.ts'
import type { Results } from './results.ts'

/** Prints docs/benchmarks.md of a file that `npm run bench -- --json` wrote; without one, all but its numbers. */
const [file] = process.argv.slice(2)
const results: Results | null = file === undefined ? null : JSON.parse(readFileSync(file, 'utf8'))
process.stdout.write(markdown(results))
