import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTarget } from '../setup/target.ts'
import { type Dashboard, openDashboard } from './dashboard.ts'

let dashboard: Dashboard

beforeAll(async () => {
  dashboard = await openDashboard()
})

afterAll(() => dashboard?.close())

test('a newcomer creates a task, sees it run, sees why it fails, mends it, reruns it and pauses it', async () => {
  let status = 200
  await using target = await startTarget((response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"balance":"refused"}')
  })
  const page = await dashboard.open()
  await page.getByRole('link', { name: 'Create the first task' }).click()
  await page.getByLabel('Name').fill('first call')
  await page.getByLabel('URL', { exact: true }).fill(target.url)
  await page.getByRole('button', { name: 'Interval' }).click()
  await page.getByLabel('Every').fill('1')
  await page.getByLabel('Unit').selectOption('seconds')
  await page.getByText('Every second').waitFor()
  await page.getByRole('button', { name: 'Create task' }).click()

  await page.getByRole('heading', { name: 'first call', level: 1 }).waitFor()
  const executions = page.getByRole('table', { name: 'Executions' })
  await executions.getByText('Succeeded').first().waitFor()

  status = 500
  await executions.getByText('Failed').first().waitFor()
  await executions
    .getByRole('link', { name: /^Failed/ })
    .first()
    .click()
  await page.getByText('Why it failed').waitFor()
  expect(await page.locator('.detail').innerText()).toContain('500')

  status = 200
  const failed = page.url()
  await page.getByRole('link', { name: 'first call' }).first().click()
  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByLabel('Reason').fill('mending it')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByText('mending it').waitFor()
  await page.goto(failed)
  await page.getByRole('button', { name: 'Rerun' }).click()
  await page.getByText('as a rerun').waitFor()
  await page.locator('.head-line').getByText('Succeeded').waitFor()

  await page.getByRole('link', { name: 'first call' }).first().click()
  await page
    .getByRole('link', { name: 'Edit' })
    .or(page.getByRole('button', { name: 'Edit' }))
    .click()
  await page.getByLabel('Every').fill('5')
  await page.getByLabel('Unit').selectOption('minutes')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.locator('.head-line').getByText('Every 5 minutes').waitFor()
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('button', { name: 'Pause', exact: true }).waitFor()
  expect(dashboard.takeProblems()).toEqual([])
})

test('a form names the fields that the API refuses', async () => {
  const page = await dashboard.open('#/tasks/new')
  await page.getByLabel('Name').fill('bad call')
  await page.getByRole('button', { name: 'Create task' }).click()
  await page.getByText('Look at the fields marked in red: URL.').waitFor()
  const focused = await page.evaluate(() => document.activeElement?.id)
  expect(focused).toBe(await page.getByLabel('URL', { exact: true }).getAttribute('id'))
  await page.getByLabel('URL', { exact: true }).fill('ftp://example.org')
  await page.getByRole('button', { name: 'Create task' }).click()
  await page.getByText('must be an http or https URL').first().waitFor()
  expect(await page.getByLabel('URL', { exact: true }).getAttribute('aria-invalid')).toBe('true')
  await page.getByLabel('Cron expression').fill('61 * * * *')
  await page.getByRole('region', { name: 'Preview' }).getByText(/61/).waitFor()
  await page.getByRole('button', { name: 'Once' }).click()
  await page.getByText('Choose a date and time.').waitFor()
  expect(dashboard.takeProblems()).toEqual([])
})

test('a bulk deletion says what it would hit before it hits it', async () => {
  for (const name of ['old-1', 'old-2', 'kept'])
    await dashboard.call('POST', '/tasks', {
      name,
      type: 'sleep',
      schedule_type: 'interval',
      interval_seconds: 3600,
    })
  const page = await dashboard.open('#/tasks?search=old')
  await page.getByRole('button', { name: 'All that match' }).click()
  await page.getByRole('menuitem', { name: 'Delete all…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 2 tasks' }).click()
  await page.getByText('No task matches').waitFor()
  const rest = await dashboard.sql`select name from tasks where name in ('old-1', 'old-2', 'kept')`
  expect(rest.map(({ name }) => name)).toEqual(['kept'])
})

test('an edit changes the kind of schedule, and does not overwrite what somebody else has changed', async () => {
  const schedule = { schedule_type: 'cron', cron_expression: '0 9 * * 1', timezone: 'America/New_York' }
  const { id } = await dashboard.call('POST', '/tasks', { name: 'edited', type: 'sleep', ...schedule })
  const page = await dashboard.open(`#/tasks/${id}/edit`)
  await page.getByRole('button', { name: 'Interval' }).click()
  await page.getByLabel('Every').fill('2')
  await page.getByLabel('Unit').selectOption('hours')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.locator('.head-line').getByText('Every 2 hours').waitFor()
  const stored = async () =>
    await dashboard.sql`select schedule_type, interval_seconds, cron_expression, description from tasks where id = ${id}`
  const changed = { schedule_type: 'interval', interval_seconds: 7200, cron_expression: null }
  expect(await stored()).toEqual([{ ...changed, description: null }])
  await page.goto(`${dashboard.url}/#/tasks/${id}/edit`)
  await page.getByLabel('Description').fill('mine')
  await dashboard.call('PATCH', `/tasks/${id}`, { description: 'theirs' })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Somebody has changed this task').waitFor()
  expect(await stored()).toEqual([{ ...changed, description: 'theirs' }])
})
