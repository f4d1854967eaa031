import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Dashboard, expectAccessible, openDashboard } from './dashboard.ts'

const KEYS = {
  read: 'a key that may only read',
  run: 'a key that may also run',
  write: 'a key that may also write',
  admin: 'a key that may do anything',
} as const

type Scope = keyof typeof KEYS

let dashboard: Dashboard
let id: number

beforeAll(async () => {
  const keys = Object.entries(KEYS).map(([scope, key]) => `${scope}:${scope}:${key}`)
  dashboard = await openDashboard({ API_KEYS: keys.join(',') })
  const task = { name: 'guarded', type: 'sleep', schedule_type: 'cron', cron_expression: '0 0 1 1 *' }
  id = (await dashboard.call('POST', '/tasks', { ...task, params: { duration: 0 } }, KEYS.admin)).id
})

afterAll(() => dashboard?.close())

async function logIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key)
  await page.getByRole('button', { name: 'Log in' }).click()
}

const isRefused = async (page: Page, name: string): Promise<boolean> =>
  (await page.getByRole('button', { name, exact: true }).getAttribute('aria-disabled')) === 'true'

test('asks for a key, says when it is wrong, and shows the page that was asked for once it is right', async () => {
  const page = await dashboard.open(`#/tasks/${id}`)
  await page.getByLabel('API key').waitFor()
  await expectAccessible(page, 'login')
  await logIn(page, 'a key that nobody has')
  await page
    .getByRole('alert')
    .getByText(/invalid/i)
    .waitFor()
  await logIn(page, KEYS.read)
  await page.getByRole('heading', { name: 'guarded', level: 1 }).waitFor()
  const kept = await page.evaluate(() => [
    localStorage.length,
    sessionStorage.length,
    document.cookie,
    location.href,
  ])
  expect(kept).toEqual([0, 0, '', `${dashboard.url}/#/tasks/${id}`])
})

test.for<[Scope, boolean, boolean]>([
  ['read', true, true],
  ['run', false, true],
  ['write', false, false],
])('with the scope %s, what it does not allow can be seen but not used', async ([scope, noRun, noPause]) => {
  const page = await dashboard.open(`#/tasks/${id}`)
  await logIn(page, KEYS[scope])
  await page.getByRole('heading', { name: 'guarded', level: 1 }).waitFor()
  await expect
    .poll(async () => [
      await isRefused(page, 'Run now'),
      await isRefused(page, 'Pause'),
      await isRefused(page, 'Edit'),
    ])
    .toEqual([noRun, noPause, noPause])
  if (scope !== 'read') return
  await page.getByRole('button', { name: 'Run now' }).click({ force: true })
  const [{ count }] = await dashboard.sql<
    [{ count: string }]
  >`select count(*) from executions where task_id = ${id}`
  expect(Number(count)).toBe(0)
  await page.goto(`${dashboard.url}/#/tasks/new`)
  await page.getByText('This needs a key with the scope write; yours has read.').waitFor()
})

test('the session holds in another tab, and ends in both when one logs out', async () => {
  const page = await dashboard.open('#/tasks')
  await logIn(page, KEYS.admin)
  await page.getByRole('link', { name: 'guarded' }).waitFor()
  const other = await page.context().newPage()
  await other.goto(`${dashboard.url}/#/tasks/${id}`)
  await other.getByRole('heading', { name: 'guarded', level: 1 }).waitFor()
  await page.getByRole('button', { name: 'Logged in as admin' }).click()
  await page.getByRole('menuitem', { name: 'Log out' }).click()
  await page.getByLabel('API key').waitFor()
  await other.getByLabel('API key').waitFor({ timeout: 40_000 })
})
