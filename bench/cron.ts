import { readFileSync } from 'node:fs'
import { runsBetween } from '../shared/scheduling/schedule/cron/count.ts'
import { type Cron, InvalidCron, nextOccurrence, parseCron } from '../shared/scheduling/schedule/cron/cron.ts'

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

/** Measures the test vectors. Keeps the best of several rounds, which excludes time lost to other processes. */
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

const RANDOM = 100_000
const zones = Intl.supportedValuesOf('timeZone')
const pick = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)] as T
const below = (limit: number): number => Math.floor(Math.random() * limit)

/** Returns a random field for an expression: `*`, a step, a range, a list or a single value. */
function randomField(min: number, max: number): string {
  const [a, b] = [min + below(max - min + 1), min + below(max - min + 1)]
  const [low, high] = [Math.min(a, b), Math.max(a, b)]
  return pick(['*', `*/${1 + below(max - min)}`, `${low}-${high}`, `${low},${high}`, `${a}`])
}

/** Returns a random expression. Half of the expressions have `L`, `W` or `#`. */
function randomExpression(): string {
  const day = pick(['L', 'LW', `${1 + below(31)}W`, '*'])
  const weekday = pick([`${below(7)}L`, `${below(7)}#${1 + below(5)}`])
  const hasRule = Math.random() < 0.5
  return [
    randomField(0, 59),
    randomField(0, 23),
    hasRule ? day : randomField(1, 31),
    randomField(1, 12),
    hasRule && (day === '*' || Math.random() < 0.3) ? weekday : hasRule ? '*' : randomField(0, 6),
  ].join(' ')
}

/** Measures random expressions. Each sample is the fastest of five warm calls. */
function measureRandom(): void {
  const nexts: Sample[] = []
  const counts: Sample[] = []
  while (nexts.length < RANDOM) {
    const expression = randomExpression()
    const cron = tryParse(expression)
    if (cron === null) continue
    const zone = pick(zones)
    const at = new Date(Date.UTC(2020 + below(20), below(12), 1 + below(28), below(24), below(60)))
    const label = `${expression} ${zone} ${at.toISOString()}`
    const least = (work: () => unknown): number =>
      Math.min(...Array.from({ length: 6 }, () => timed(work).ms).slice(1))
    nexts.push({ ms: least(() => nextOccurrence(cron, zone, at)), label })
    if (nexts.length % 100 > 0) continue
    const from = new Date(at.getTime() - 10 * 365.25 * 86_400_000)
    const countAndFind = () => {
      const runs = runsBetween(cron, zone, from, at)
      return runs.count > 0 && runs.at(runs.count - 1)
    }
    counts.push({ ms: least(countAndFind), label })
  }
  report('random, best of 5 next ', nexts)
  report('random, best of 5 count ten years', counts)
}

measure('cold, first try', 1)
measure('warm, best of 5', 5)
measureRandom()
