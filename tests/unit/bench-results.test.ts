import { describe, expect, it } from 'vitest'
import { median, quantile } from '../../bench/measure/quantile.ts'
import { chart } from '../../bench/report/chart.ts'
import { tablesOf } from '../../bench/report/table.ts'
import { type Result, ratioToOurs } from '../../bench/results.ts'
import { drain } from '../../bench/rows/drain.ts'

const result = (system: string, repetition: number, rate: number): Result => ({
  row: 'drain',
  case: '20 due',
  system,
  repetition,
  values: { rate },
})

const results = [
  result('ours', 1, 100),
  result('<peer>', 1, 50),
  result('ours', 2, 400),
  result('<peer>', 2, 100),
  { ...result('slow', 1, 0), values: {}, note: '0 of 20 in 5 s' },
]

describe('benchmark results', () => {
  it('are summarized as nearest-rank quantiles and medians', () => {
    const sorted = [1, 2, 3, 4]
    expect([quantile(sorted, 0), quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1)]).toEqual(
      [1, 2, 4, 4],
    )
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 2.5, Number.NaN])
  })

  it('are compared within each repetition', () => {
    expect(ratioToOurs(results, '<peer>', 'rate')).toEqual({ median: 0.375, min: 0.25, max: 0.5, count: 2 })
    expect(ratioToOurs(results, 'slow', 'rate')).toBeNull()
  })

  it('are shown in a table, with a note on unfinished work', () => {
    expect(tablesOf(drain, results)).toEqual([
      {
        title: 'Drain of due jobs: 20 due (2 repetitions)',
        head: ['system', 'runs /s', 'of ours', 'note'],
        lines: [
          ['ours', '250 [100..400]', '', ''],
          ['<peer>', '75.0 [50.0..100]', 'x 0.38', ''],
          ['slow', '-', '', '0 of 20 in 5 s'],
        ],
      },
    ])
  })

  it('are drawn as bars proportional to their medians', () => {
    const svg = chart([drain], results)
    expect(svg).toContain('>&lt;peer&gt;</text><rect x="150" y="80" width="90.0"')
    expect(svg).toContain('75.0 (x 0.38)')
  })
})
