import { expect, test } from 'vitest'
import { Buckets } from '../../shared/counting/buckets.ts'
import { Emf } from '../../shared/metrics/emf.ts'
import { histogram, plain } from '../../shared/metrics/family.ts'

const read = (lines: string[]) => lines.map((line) => JSON.parse(line))

test('a value on a bound belongs to the bucket below it', () => {
  const buckets = new Buckets([1, 2])
  for (const value of [0, 1, 1.5, 2, 2.1]) buckets.add(value)
  expect(buckets).toMatchObject({ counts: [2, 2, 1], count: 5, sum: 6.6 })
})

test('metrics with the same labels share a line', () => {
  const labels = { type: 'http' }
  const lines = new Emf().lines('service-dev', [
    plain('counter', 'a_total', '', [[labels, 2]]),
    plain('gauge', 'b_seconds', '', [[labels, 0.5]]),
    plain('gauge', 'c', '', 7),
  ])
  expect(read(lines)).toEqual([
    {
      _aws: {
        Timestamp: expect.any(Number),
        CloudWatchMetrics: [
          {
            Namespace: 'service-dev',
            Dimensions: [['type']],
            Metrics: [
              { Name: 'task_scheduler_a_total', Unit: 'Count' },
              { Name: 'task_scheduler_b_seconds', Unit: 'Seconds' },
            ],
          },
        ],
      },
      type: 'http',
      task_scheduler_a_total: 2,
      task_scheduler_b_seconds: 0.5,
    },
    expect.objectContaining({ task_scheduler_c: 7 }),
  ])
})

test('a line has only what a counter or a histogram has gained since the last one', () => {
  const emf = new Emf()
  const buckets = new Buckets([1, 3])
  const lines = (total: number) =>
    read(
      emf.lines('n', [plain('counter', 'a_total', '', total), histogram('b_seconds', '', [[{}, buckets]])]),
    )
  expect(lines(0)).toEqual([])
  buckets.add(2)
  expect(lines(3)).toMatchObject([{ task_scheduler_a_total: 3, task_scheduler_b_seconds: 2 }])
  buckets.add(0.2)
  buckets.add(9)
  const [line] = lines(3)
  expect(line).not.toHaveProperty('task_scheduler_a_total')
  expect(line).toMatchObject({ task_scheduler_b_seconds: [0.5, 3] })
  expect(lines(3)).toEqual([])
})

test('a line has at most 100 values of a metric', () => {
  const buckets = new Buckets([1])
  for (let index = 0; index < 250; index += 1) buckets.add(0)
  const lines = read(
    new Emf().lines('n', [histogram('a_seconds', '', [[{}, buckets]]), plain('gauge', 'b', '', 1)]),
  )
  expect(lines.map((it) => it.task_scheduler_a_seconds.length)).toEqual([100, 100, 50])
  expect(lines.map((it) => it.task_scheduler_b)).toEqual([1, undefined, undefined])
})
