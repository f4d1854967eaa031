import type { Database } from '../server/database.ts'
import { asAdmin } from '../server/database.ts'
import { systems as catalogue } from '../systems/catalogue.ts'
import { fillHistory } from '../systems/ours-store.ts'
import {
  fill,
  inDatabase,
  type Outcome,
  seedOf,
  settingsOf,
  type Trial,
  withWorkers,
} from '../trial/trial.ts'
import type { Load } from '../worker/protocol.ts'
import type { Case, Row } from './row.ts'

const YEAR_MS = 365 * 86_400_000
const CONNECTIONS = 50
const body =
  '{"name":"load-[<id>]","type":"sleep","schedule_type":"interval","interval_seconds":86400,"next_run_at":"2099-01-01T00:00:00Z"}'

/**
 * The main routes. The 7 is a task id. A page has twenty rows, as a list on a screen would. The last route
 * doesn't use the database.
 */
const routes: Pick<Load, 'method' | 'url' | 'body'>[] = [
  { method: 'POST', url: '/tasks', body },
  { method: 'GET', url: '/tasks?limit=20' },
  { method: 'GET', url: '/tasks/7' },
  { method: 'GET', url: '/tasks/7/executions?limit=20' },
  { method: 'GET', url: '/executions?limit=20' },
  { method: 'GET', url: '/upcoming?limit=20' },
  { method: 'GET', url: '/healthz' },
]

const request = (route: Pick<Load, 'method' | 'url' | 'body'>, seconds: number): Case => ({
  name: `${route.method} ${route.url}`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      const product = catalogue.find(({ name }) => name === 'ours')
      if (!product) throw new Error('the catalogue has no system named ours')
      const owner: Trial = { ...trial, system: product }
      await fill(owner, database, [
        () => seedOf({ count: 10_000, firstMs: Date.now() + YEAR_MS, stepMs: 1000 }),
      ])
      await asAdmin(database.url, (admin) => fillHistory(admin, 10))
      return await serve(trial, database, route, seconds)
    }),
})

async function serve(
  trial: Trial,
  database: Database,
  { method, url, body }: Pick<Load, 'method' | 'url' | 'body'>,
  seconds: number,
): Promise<Outcome> {
  const settings = settingsOf(trial, database, { role: 'serve' })
  return await withWorkers(trial, settings, 1, async ([server]) => {
    const base = (await server?.start()) ?? ''
    const load = {
      url: `${base}${url}`,
      method,
      connections: CONNECTIONS,
      ...(body !== undefined && { body }),
    }
    // A separate process sends the requests. It also opens a system, which stays idle.
    return await withWorkers(trial, { ...settings, role: 'fill' }, 1, async ([sender]) => {
      const warmUp = seconds > 1 ? [{ ...load, seconds: 1 }] : []
      const results = await sender?.load([...warmUp, { ...load, seconds }])
      const result = results?.at(-1)
      if (!result) throw new Error('the load returned no result')
      const values = { rate: result.perSecond, p99: result.p99Ms, failed: result.failed }
      return result.failed === 0 ? { values } : { values, note: `${result.failed} requests failed` }
    })
  })
}

export const http: Row = {
  name: 'http',
  title: 'The API',
  about: `Requests per second over ${CONNECTIONS} connections, with 10,000 tasks and 100,000 executions. The client runs on the same machine as the server and the database. \`express\` is a bare Express app that runs the same query and returns its rows, without checks, error handling, extra headers or schemas.`,
  metrics: [
    { key: 'rate', label: 'requests', unit: '/s', better: 'more' },
    { key: 'p99', label: 'p99', unit: 'ms', better: 'less' },
    { key: 'failed', label: 'failed', unit: '', better: 'less' },
  ],
  systems: ['ours', 'express'],
  repetitions: 3,
  quick: ['ours', 'express'],
  cases: (size) =>
    size === 'quick'
      ? routes.slice(2, 3).map((route) => request(route, 1))
      : routes.map((route) => request(route, 5)),
}
