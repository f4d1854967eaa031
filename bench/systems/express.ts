import { once } from 'node:events'
import type { Server } from 'node:http'
import express, { type Request, type Response } from 'express'
import { z } from 'zod'
import { connect } from '../../shared/db.ts'
import { executionQuery, historyQuery, listExecutions, listHistory } from '../../shared/executions/list.ts'
import type { Page } from '../../shared/page.ts'
import { createTask } from '../../shared/tasks/create.ts'
import { getTask } from '../../shared/tasks/get.ts'
import { listTasks, taskQuery } from '../../shared/tasks/list.ts'
import { listUpcoming, upcomingQuery } from '../../shared/tasks/upcoming.ts'
import type { OpenSystem, System } from './system.ts'

/** The product's queries behind bare Express, without checks, schemas, error handling or request ids. */
export const open: OpenSystem = async (settings): Promise<System> => {
  // The same number of connections as the product.
  const sql = connect(settings.databaseUrl, { max: 10 })
  // Parsed only once, instead of for each request.
  const page = { limit: '20' }
  const defaults = {
    tasks: taskQuery.parse(page),
    history: historyQuery.parse(page),
    executions: executionQuery.parse(page),
    upcoming: upcomingQuery.parse(page),
  }
  const app = express().disable('x-powered-by').disable('etag')
  const get = (path: string, answer: (id: number) => Promise<unknown>) =>
    app.get(path, async (req: Request, res: Response) => {
      res.json(await answer(Number(req.params.id)))
    })
  get('/tasks', () => rows(listTasks(sql, defaults.tasks)))
  get('/tasks/:id', (id) => getTask(sql, id))
  get('/tasks/:id/executions', (id) => rows(listHistory(sql, id, defaults.history)))
  get('/executions', () => rows(listExecutions(sql, defaults.executions)))
  get('/upcoming', () => rows(listUpcoming(sql, defaults.upcoming)))
  get('/healthz', async () => ({ status: 'ok' }))
  app.post('/tasks', express.json(), async (req: Request, res: Response) => {
    const { next_run_at: at, ...task } = req.body
    res.status(201).json(await createTask(sql, { ...task, next_run_at: new Date(at) }))
  })
  let server: Server | undefined
  return {
    async install() {},
    async seed() {},
    async start() {
      server = app.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return `http://127.0.0.1:${portOf(server)}`
    },
    async stop() {
      server?.close()
      server?.closeAllConnections()
      await sql.end()
    },
  }
}

const rows = async <Row>(page: Promise<Page<Row>>): Promise<Row[]> => (await page).rows

const portOf = (server: Server): number => z.object({ port: z.number() }).parse(server.address()).port
