import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { metricsText } from '../../functions/metrics/exposition.ts'
import { executor } from '../../functions/program.ts'
import { emptyTables, insertTask, nowPlus } from '../setup/rows.ts'
import { tickAndRun } from '../setup/scheduler.ts'

const FOLDER = new URL('../../infra/observability/', import.meta.url)
const DASHBOARD = new URL('grafana/task-scheduler.json', FOLDER)

type Dashboard = { panels: { title: string; targets?: { expr: string }[] }[] }

const promtool = (args: string[], input?: string) => {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    cwd: fileURLToPath(FOLDER),
    encoding: 'utf8',
    ...(input !== undefined && { input }),
  })
  return { status, output: stdout + stderr }
}

const isMissing = spawnSync('promtool', ['--version']).error !== undefined
const WHY = "promtool is missing: it is in Debian's package prometheus"

/** Skips a test, with the reason, if there is no promtool. */
const needsPromtool = (skip: (note: string) => void): void => {
  if (isMissing) skip(WHY)
}

const dashboard = async (): Promise<Dashboard> => JSON.parse(await readFile(DASHBOARD, 'utf8'))

const expressions = async (): Promise<string[]> =>
  (await dashboard()).panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

/** Returns metrics to which every kind of series has been added. */
async function allMetrics(): Promise<string> {
  const late = { next_run_at: await nowPlus(-500), misfire_policy: 'skip', misfire_grace_seconds: 1 }
  await emptyTables()
  await insertTask({ name: 'skips', ...late })
  await insertTask({ name: 'runs', next_run_at: await nowPlus(-1), params: { duration: 0 } })
  await tickAndRun(undefined, executor())
  return (await metricsText()).text
}

test('promtool accepts the rules', ({ skip }) => {
  needsPromtool(skip)
  expect(promtool(['check', 'rules', 'rules.yml'])).toMatchObject({ status: 0 })
})

test('each alert is raised by its trouble, and by nothing else', ({ skip }) => {
  needsPromtool(skip)
  expect(promtool(['test', 'rules', 'rules.test.yml'])).toEqual({
    status: 0,
    output: expect.stringContaining('SUCCESS'),
  })
})

test('promtool accepts the configuration', ({ skip }) => {
  needsPromtool(skip)
  expect(promtool(['check', 'config', 'prometheus.yml'])).toMatchObject({ status: 0 })
})

test('promtool accepts the expressions of the dashboard', async ({ skip }) => {
  needsPromtool(skip)
  const folder = await mkdtemp(join(tmpdir(), 'dashboard-'))
  try {
    const rules = (await expressions()).map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', '.*'),
    }))
    const file = join(folder, 'rules.json')
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
    expect(promtool(['check', 'rules', file])).toMatchObject({ status: 0 })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test("promtool finds nothing wrong with the metrics' names, types and help", async ({ skip }) => {
  needsPromtool(skip)
  const own = (await allMetrics()).split('\n').filter((line) => /^(# \w+ )?task_scheduler_/.test(line))
  expect(promtool(['check', 'metrics'], `${own.join('\n')}\n`)).toEqual({ status: 0, output: '' })
})

test('the rules and the dashboard use metrics that exist', async () => {
  const exposed = new Set(Array.from((await allMetrics()).matchAll(/^# TYPE (\S+) /gm), ([, name]) => name))
  const { groups } = parse(await readFile(new URL('rules.yml', FOLDER), 'utf8'))
  const alerts = groups.flatMap((group: { rules: { expr: string }[] }) => group.rules.map(({ expr }) => expr))
  const text = [...alerts, ...(await expressions())].join('\n')
  const used = Array.from(text.matchAll(/\b(?:task_scheduler|process|nodejs)_\w+/g), ([name]) =>
    name.replace(/_bucket$/, ''),
  )
  expect(used.length).toBeGreaterThan(30)
  expect([...new Set(used)].filter((name) => !exposed.has(name))).toEqual([])
})

test('the dashboard shows every metric of the scheduler', async () => {
  const text = (await expressions()).join('\n')
  const names = Array.from(
    (await metricsText()).text.matchAll(/^# TYPE (task_scheduler_\S+) /gm),
    ([, name = '']) => name,
  )
  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !text.includes(name))).toEqual([])
})

test('docs/observability.md lists every metric and every alert', async () => {
  const page = await readFile(new URL('../../docs/observability.md', FOLDER), 'utf8')
  const names = Array.from(
    (await metricsText()).text.matchAll(/^# TYPE task_scheduler_(\S+) /gm),
    ([, name = '']) => name,
  )
  const rules = await readFile(new URL('rules.yml', FOLDER), 'utf8')
  const alerts = Array.from(rules.matchAll(/alert: (\w+)/g), ([, name = '']) => name)
  expect([...names, ...alerts].filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
