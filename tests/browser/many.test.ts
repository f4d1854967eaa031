import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Dashboard, openDashboard } from './dashboard.ts'

const TASKS = 100_000
const LONGEST_MS = 100
const RUNS = 3

let dashboard: Dashboard

beforeAll(async () => {
  dashboard = await openDashboard({ SCHEDULER_ENABLE: 'false' })
  await dashboard.sql`
    with made as (
      insert into tasks (name, type, schedule_type, interval_seconds)
      select 'task-' || lpad(n::text, 6, '0'), 'sleep', 'interval', 3600
      from generate_series(1, ${TASKS}) n
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at)
    select id, definition, now() + id * interval '1 second' from made`
  await dashboard.sql`analyze`
})

afterAll(() => dashboard?.close())

/** Records how long each task of the browser's main thread took, if it took more than 50 ms. */
const recordLongTasks = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const all: number[] = []
    Object.assign(globalThis, { longTasks: all })
    new PerformanceObserver((list) => all.push(...list.getEntries().map(({ duration }) => duration))).observe(
      { entryTypes: ['longtask'] },
    )
  })

async function scrollThrough(): Promise<{ longest: number; rows: number }> {
  const page = await dashboard.open('#/tasks')
  await page.getByText('task-000001', { exact: true }).waitFor()
  await recordLongTasks(page)
  for (let screen = 0; screen < 60; screen++) await page.mouse.wheel(0, 700)
  await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(20_000)
  // The rows in sight have arrived once none is blank.
  await expect.poll(() => page.locator('tr.blank').count()).toBe(0)
  const longest = await page.evaluate(() =>
    Math.max(0, ...(globalThis as unknown as { longTasks: number[] }).longTasks),
  )
  const rows = await page.locator('tbody tr').count()
  await page.close()
  return { longest, rows }
}

test('scrolls through 100,000 tasks, with few rows in the document and no long task', async () => {
  const runs = []
  for (let run = 0; run < RUNS; run++) runs.push(await scrollThrough())
  const longest = runs.map((it) => it.longest).toSorted((a, b) => a - b)
  expect(longest[Math.floor(RUNS / 2)]).toBeLessThan(LONGEST_MS)
  for (const { rows } of runs) expect(rows).toBeLessThan(100)
})

test('the pages that were scrolled past have every task once', async () => {
  const page = await dashboard.open('#/tasks')
  const seen = new Set<string>()
  for (let screen = 0; seen.size < 350; screen++) {
    await expect.poll(() => page.locator('tr.blank').count()).toBe(0)
    for (const name of await page.locator('td.w-name a.strong').allInnerTexts()) seen.add(name)
    await page.mouse.wheel(0, 400)
    expect(screen).toBeLessThan(200)
  }
  const expected = Array.from({ length: 340 }, (_, index) => `task-${String(index + 1).padStart(6, '0')}`)
  expect([...seen].toSorted().slice(0, 340)).toEqual(expected)
})
