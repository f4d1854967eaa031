import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  describeCron,
  InvalidCron,
  isTimeZone,
  nextOccurrence,
  parseCron,
} from '../../shared/scheduling/schedule/cron/cron.ts'

type Vector = {
  id: string
  class: string
  expression: string
  timezone: string
  after: string
  expected: string[]
  never?: boolean
}

const vectors: Vector[] = readJson('vectors.json')
const invalid: { id: string; category: string; expression: string }[] = readJson('invalid.json')
const fires = Map.groupBy(
  vectors.filter((vector) => !vector.never),
  (vector) => vector.class,
)

function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))
}

function runsAfter({ expression, timezone, after }: Vector, count: number): string[] {
  const cron = parseCron(expression)
  const runs: string[] = []
  let at: Date | null = new Date(after)
  while (at !== null && runs.length < count) {
    at = nextOccurrence(cron, timezone, at)
    if (at !== null) runs.push(at.toISOString())
  }
  return runs
}

describe('test vectors that independent cron implementations agree on', () => {
  test.each([...fires.keys()])('%s', (name) => {
    const group = fires.get(name) ?? []
    const got = group.map((vector) => [vector.id, vector.expression, vector.timezone, runsAfter(vector, 5)])
    expect(got).toEqual(
      group.map((vector) => [vector.id, vector.expression, vector.timezone, vector.expected]),
    )
  })

  test('rejects expressions that can never fire', () => {
    const never = vectors.filter((vector) => vector.never)
    expect(never.length).toBeGreaterThan(0)
    for (const { expression } of never) expect(() => parseCron(expression)).toThrow(/does not exist in month/)
  })

  test('accepts every time zone and describes every expression', () => {
    const valid = vectors.filter((vector) => !vector.never)
    expect(valid.filter((vector) => !isTimeZone(vector.timezone))).toEqual([])
    expect(valid.filter((vector) => describeCron(vector.expression).length < 5)).toEqual([])
    console.log(
      `${vectors.length} vectors in ${new Set(vectors.map((v) => v.timezone)).size} zones, ${invalid.length} invalid`,
    )
  })
})

test.each(invalid)('rejects $category: $expression', ({ expression }) => {
  expect(() => parseCron(expression)).toThrow(InvalidCron)
})
