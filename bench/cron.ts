import { readFileSync } from 'node:fs'
import { type Cron, InvalidCron, nextOccurrence, parseCron } from '../shared/scheduling/cron/cron.ts'

type Sample = { ms: number; label: string }
type Vector = { expression: string; timezone: string; after: string }

const file = new URL('../tests/vectors/vectors.json', import.meta.url)
const vectors: Vector[] = JSON.parse(readFileSync(file, 'utf8'))

function timed<T>(work: () => T): { value: T; ms: number } {
  const start = performance.now()
  const value = work()
  return { value, ms: performance.now() - start }
}

function tryParse(expression: string): Cron | null {
  try {
    return parseCron(expression)
  } catch (error) {
    if (error instanceof InvalidCron) return null
    throw error
  }
}

function report(name: string, times: Sample[]): void {
  const sorted = times.toSorted((a, b) => a.ms - b.ms)
  const median = sorted[Math.floor(sorted.length / 2)]
  const p99 = sorted[Math.floor(sorted.length * 0.99)]
  const worst = sorted.at(-1)
  console.log(
    `${name}: ${sorted.length} calls, median ${median?.ms.toFixed(3)} ms, p99 ${p99?.ms.toFixed(3)} ms,`,
    `worst ${worst?.ms.toFixed(3)} ms (${worst?.label})`,
  )
}

/** The best of several rounds leaves out what other processes cost. */
function measure(name: string, rounds: number): void {
  const parses: Sample[] = []
  const nexts: Sample[] = []
  for (const { expression, timezone, after } of vectors) {
    const label = `${expression} ${timezone} ${after}`
    const all = Array.from({ length: rounds }, () => timed(() => tryParse(expression)))
    parses.push({ ms: Math.min(...all.map((parsed) => parsed.ms)), label })
    const cron = all[0]?.value ?? null
    const walks = cron === null ? [] : Array.from({ length: rounds }, () => walk(cron, timezone, after))
    const best = walks[0]?.map((_, run) => Math.min(...walks.map((times) => times[run] ?? Number.NaN))) ?? []
    nexts.push(...best.map((ms) => ({ ms, label })))
  }
  report(`${name} parse`, parses)
  report(`${name} next `, nexts)
}

function walk(cron: Cron, timezone: string, after: string): number[] {
  const times: number[] = []
  let at: Date | null = new Date(after)
  while (at !== null && times.length < 5) {
    const from: Date = at
    const next = timed(() => nextOccurrence(cron, timezone, from))
    times.push(next.ms)
    at = next.value
  }
  return times
}

measure('cold, first try', 1)
measure('warm, best of 5', 5)
