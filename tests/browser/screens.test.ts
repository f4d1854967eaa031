import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../setup/eventually.ts'
import { type Dashboard, expectAccessible, expectNoOverflow, openDashboard } from './dashboard.ts'

let dashboard: Dashboard
let screens: Record<string, string>

beforeAll(async () => {
  dashboard = await openDashboard()
  // Due once a year, so that nothing but this test runs them.
  const yearly = {
    type: 'sleep',
    schedule_type: 'cron',
    cron_expression: '0 0 1 1 *',
    timezone: 'Europe/Berlin',
  }
  const create = (name: string, more: object = {}) =>
    dashboard.call('POST', '/tasks', { name, ...yearly, ...more })
  const about = { tags: ['billing', 'critical'], description: 'Does nothing, on time.' }
  const { id } = await create('works', { params: { duration: 0 }, ...about })
  const refused = { type: 'http', params: { url: 'http://127.0.0.1:9' }, pause_after_failures: 1 }
  const failing = await create('fails', refused)
  await create('nightly-with-a-name-that-is-much-longer-than-any-column-of-the-table-could-ever-be')
  const run = await dashboard.call('POST', `/tasks/${id}/run`)
  const failed = await dashboard.call('POST', `/tasks/${failing.id}/run`)
  await eventually(async () => {
    const [{ open }] = await dashboard.sql<
      [{ open: boolean }]
    >`select count(*) < 2 as open from executions where finished_at is not null`
    expect(open).toBe(false)
  }, 20)
  screens = {
    overview: '#/',
    tasks: '#/tasks',
    'tasks, filtered to nothing': '#/tasks?search=nothing',
    'a task': `#/tasks/${id}`,
    'a task that paused itself': `#/tasks/${failing.id}`,
    executions: '#/executions',
    'an execution': `#/executions/${run.id}`,
    'a failed execution': `#/executions/${failed.id}`,
    'a new task': '#/tasks/new',
    'an edited task': `#/tasks/${id}/edit`,
    'a task that is gone': '#/tasks/999999',
    'no such page': '#/nothing',
  }
})

afterAll(() => dashboard?.close())

test.for(['light', 'dark'] as const)(
  'no screen has an axe violation in the %s theme',
  async (colorScheme) => {
    const page = await dashboard.open('#/', { colorScheme, reducedMotion: 'reduce' })
    for (const [name, address] of Object.entries(screens)) {
      await page.goto(`${dashboard.url}/${address}`)
      await page.locator('#main :is(h1, .message)').first().waitFor()
      await page.waitForLoadState('networkidle')
      await expectAccessible(page, `${name}, ${colorScheme}`)
    }
    expect(dashboard.takeProblems()).toEqual([])
  },
)

test.for([360, 768, 1280, 2560])('no screen is wider than a window of %i pixels', async (width) => {
  const page = await dashboard.open('#/', { viewport: { width, height: 800 } })
  for (const [name, address] of Object.entries(screens)) {
    await page.goto(`${dashboard.url}/${address}`)
    await page.locator('#main :is(h1, .message)').first().waitFor()
    await page.waitForLoadState('networkidle')
    await expectNoOverflow(page, `${name}, ${width}`)
  }
})

test('dialogs and menus have no axe violation', async () => {
  const page = await dashboard.open('#/tasks', { reducedMotion: 'reduce' })
  await page.getByRole('button', { name: 'Actions for works' }).click()
  await page.getByRole('menu').waitFor()
  await expectAccessible(page, 'menu')
  await page.getByRole('menuitem', { name: 'Pause…' }).click()
  await page.getByRole('dialog').waitFor()
  await expectAccessible(page, 'dialog')
  const isCut = await page.getByRole('dialog').evaluate((it) => it.scrollWidth > it.clientWidth)
  expect(isCut).toBe(false)
})

test('everything can be reached by keyboard', async () => {
  const page = await dashboard.open()
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await page.getByRole('heading', { name: 'Tasks', level: 1 }).waitFor()
  await page.getByRole('row').filter({ hasText: 'fails' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('work')
  await page.getByRole('row').filter({ hasText: 'fails' }).waitFor({ state: 'detached' })
  await expect.poll(() => page.url()).toContain('search=work')
  await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BUTTON')
  await page.keyboard.press('n')
  await page.getByRole('heading', { name: 'New task', level: 1 }).waitFor()
})

test('a link opens the same filters in another window', async () => {
  const page = await dashboard.open('#/executions?status=failed')
  const rows = page.getByRole('table', { name: 'Executions' }).getByRole('row')
  await expect.poll(() => rows.count()).toBe(2)
  expect(await page.getByRole('button', { name: 'Failed' }).getAttribute('aria-pressed')).toBe('true')
})

test('keeps nothing in the browser', async () => {
  const page = await dashboard.open('#/tasks')
  await page.getByRole('table').waitFor()
  const kept = await page.evaluate(async () => ({
    local: localStorage.length,
    session: sessionStorage.length,
    cookies: document.cookie,
    databases: (await indexedDB.databases()).length,
  }))
  expect(kept).toEqual({ local: 0, session: 0, cookies: '', databases: 0 })
})
