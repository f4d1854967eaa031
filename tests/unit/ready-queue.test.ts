import { expect, test } from 'vitest'
import type { HeldExecution } from '../../shared/scheduling/run/held.ts'
import { ReadyQueue } from '../../shared/scheduling/run/ready-queue.ts'

const waiting = (name: string, given: { trigger?: string; attempt?: number } = {}) =>
  ({ execution: { trigger: 'schedule', attempt: 1, ...given, task: { name } } }) as HeldExecution

const first = (count: number) => Array.from({ length: count }, (_, index) => waiting(`first ${index}`))
const retries = (count: number) =>
  Array.from({ length: count }, (_, index) => waiting(`retry ${index}`, { attempt: 2 }))

/** Takes the executions from a queue one at a time. Returns their task names in that order. */
function oneByOne(items: HeldExecution[]): string[] {
  const queue = new ReadyQueue()
  queue.add(items)
  return items.map(() => queue.take(1)[0]?.execution.task.name ?? '')
}

test('slots taken one at a time alternate between the longest-waiting and the latest executions', () => {
  expect(oneByOne(first(5)).slice(0, 4)).toEqual(['first 0', 'first 4', 'first 1', 'first 3'])
})

test('slots taken one at a time alternate between retries and first attempts', () => {
  const order = oneByOne([...retries(3), ...first(5)])
  expect(order.slice(0, 6)).toEqual(['retry 0', 'first 0', 'retry 1', 'first 4', 'retry 2', 'first 1'])
})

test('manual runs go first', () => {
  expect(oneByOne([...retries(1), ...first(1), waiting('manual', { trigger: 'manual' })])[0]).toBe('manual')
})
