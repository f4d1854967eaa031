import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLink } from '../setup/link.ts'
import { type Dashboard, openDashboard } from './dashboard.ts'

let dashboard: Dashboard

beforeAll(async () => {
  dashboard = await openDashboard()
})

afterAll(() => dashboard?.close())

const task = { type: 'sleep', schedule_type: 'interval', interval_seconds: 3600 }

test('keeps what it shows while the server is away, says so, and goes on once it is back', async () => {
  await dashboard.call('POST', '/tasks', { name: 'before', ...task })
  const page = await dashboard.open('#/tasks')
  await page.getByRole('link', { name: 'before' }).waitFor()
  await dashboard.stopServer()
  await page.getByText('The server does not respond').waitFor({ timeout: 30_000 })
  await page.getByRole('link', { name: 'before' }).waitFor()
  await dashboard.startServer()
  await dashboard.call('POST', '/tasks', { name: 'after', ...task })
  await page.getByRole('link', { name: 'after' }).waitFor({ timeout: 45_000 })
  await page.getByText('The server does not respond').waitFor({ state: 'detached' })
  expect(dashboard.takeProblems()).toEqual([])
})

test('says so if the server hangs, and goes on once it answers again', async () => {
  await dashboard.call('POST', '/tasks', { name: 'shown', ...task })
  const link = await startLink(dashboard.url)
  try {
    const page = await dashboard.open()
    await page.goto(`${link.url}#/tasks`)
    await page.getByRole('link', { name: 'shown' }).waitFor()
    link.stall()
    await page.getByText('The server does not respond').waitFor({ timeout: 40_000 })
    await page.getByRole('link', { name: 'shown' }).waitFor()
    link.resume()
    await page.getByText('The server does not respond').waitFor({ state: 'detached', timeout: 45_000 })
  } finally {
    link.close()
  }
})

test('two tabs show the same, and a change in one appears in the other', async () => {
  const { id } = await dashboard.call('POST', '/tasks', { name: 'shared', ...task })
  const [one, other] = [await dashboard.open(`#/tasks/${id}`), await dashboard.open(`#/tasks/${id}`)]
  await one.getByRole('button', { name: 'Pause', exact: true }).click()
  await one.getByRole('dialog').getByRole('button', { name: 'Pause', exact: true }).click()
  await other.getByRole('button', { name: 'Resume' }).waitFor({ timeout: 20_000 })
})

test('asks with what it has, and a list that has not changed is not sent again', async () => {
  const page = await dashboard.open()
  const statuses: number[] = []
  page.on('response', (response) => {
    if (response.url().includes('/tasks?')) statuses.push(response.status())
  })
  await page.goto(`${dashboard.url}/#/tasks`)
  await expect.poll(() => statuses, { timeout: 30_000 }).toEqual(expect.arrayContaining([200, 304]))
})

test('a hidden tab does not ask', async () => {
  const page = await dashboard.open('#/tasks')
  await page.getByRole('table').waitFor()
  // Chromium without a screen has no hidden tabs, so the page is told that it is one.
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })
    Object.defineProperty(document, 'hidden', { value: true, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  // Requests that were on their way may still end.
  await page.waitForTimeout(1000)
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.waitForTimeout(16_000)
  expect(asked).toEqual([])
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true })
    Object.defineProperty(document, 'hidden', { value: false, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  await expect.poll(() => asked.length, { timeout: 20_000 }).toBeGreaterThan(0)
})

test('says that the database cannot be reached, and goes on once it can', async () => {
  await dashboard.call('POST', '/tasks', { name: 'patient', ...task })
  const page = await dashboard.open('#/executions')
  await page.getByRole('heading', { name: 'Executions', level: 1 }).waitFor()
  dashboard.link.stall()
  await page.goto(`${dashboard.url}/#/tasks`)
  await page
    .getByText('The database cannot be reached')
    .or(page.getByText('The database does not respond'))
    .first()
    .waitFor({ timeout: 45_000 })
  dashboard.link.resume()
  await page.getByRole('link', { name: 'patient' }).waitFor({ timeout: 60_000 })
})
