import { fileURLToPath } from 'node:url'
import { startDraining } from '../../functions/program.ts'
import { config, misspelledSettings } from '../../shared/config.ts'
import { isWeak } from '../../shared/configured-keys.ts'
import { closeDatabase, longDb, openConnections, schedulerDb, smallSetsDb } from '../../shared/db.ts'
import { isOpen, storedKeys } from '../../shared/http/access.ts'
import { isLoopback, listenHost } from '../../shared/listen-host.ts'
import { logger } from '../../shared/logger.ts'
import { migrateWhenReady } from '../migrations/migrate.ts'
import type { LambdaHandler } from '../service/handlers.ts'
import { loadHandlers } from '../service/handlers.ts'
import { readService, type Service } from '../service/service.ts'
import { createApp } from './adapter.ts'
import { listenForMetrics } from './metrics.ts'
import { type Scheduler, startScheduler } from './scheduler.ts'
import { listen } from './server.ts'

const SERVICE_FILE = fileURLToPath(new URL('../../serverless.yml', import.meta.url))

/** Milliseconds that requests in progress may still take if executions have used up the grace period. */
const LAST_REQUESTS_MS = 1000

export type Running = {
  url: string
  /** Whether callers need a key. */
  isOpen: boolean
  /** Lets requests and executions finish within the grace period. `hurry` ends the grace period early. */
  stop(hurry: AbortSignal): Promise<void>
}

/**
 * Migrates the database, serves the API and runs the scheduler. If any of this fails at startup, closes the database's
 * pools and rejects.
 */
export async function serve(): Promise<Running> {
  try {
    for (const { name, meant } of misspelledSettings(process.env)) {
      logger.warn('unknown setting is ignored', { name, did_you_mean: meant })
    }
    await migrateWhenReady(longDb())
    const service = await readService(SERVICE_FILE)
    const handlers = await loadHandlers(service)
    const app = createApp(service, handlers, { onError: logHandlerError, trustProxy: config().trustProxy })
    const server = await listen(app, { ...config(), host: await chooseHost() })
    const { metricsPort, metricsHost } = config()
    const metrics = metricsPort === undefined ? undefined : await listenForMetrics(metricsPort, metricsHost)
    if (config().schedulerEnabled) for (const sql of [schedulerDb(), smallSetsDb()]) void openConnections(sql)
    const scheduler = config().schedulerEnabled ? startSchedulerOf(service, handlers) : undefined
    logger.info('listening', { url: server.url, scheduler: scheduler !== undefined })
    return {
      url: server.url,
      isOpen: await isOpen(),
      async stop(hurry) {
        const grace = config().shutdownGraceSeconds
        const deadline = performance.now() + grace * 1000
        // The server keeps responding while executions finish, but /readyz returns 503, so that traffic moves away
        // before the port closes.
        startDraining()
        server.drain()
        await scheduler?.stop(grace, hurry)
        await server.close(Math.max(LAST_REQUESTS_MS, deadline - performance.now()))
        await metrics?.close(LAST_REQUESTS_MS)
        await closeDatabase(5)
      },
    }
  } catch (error) {
    await closeDatabase(1)
    throw error
  }
}

/** Returns the address to listen on, and warns of weak keys. */
async function chooseHost(): Promise<string> {
  const { keys } = config()
  const host = listenHost(config(), await storedKeys().hasKeys())
  const weak = keys.filter(isWeak).map(({ name }) => name)
  if (weak.length > 0) {
    const who = isLoopback(host) ? 'only this machine' : 'other machines'
    logger.warn(`weak key: ${who} can reach the API`, { keys: weak })
  }
  return host
}

function logHandlerError(error: unknown, functionName: string): void {
  logger.error('handler failed', { function: functionName, error: error as Error })
}

function startSchedulerOf(service: Service, handlers: Record<string, LambdaHandler>): Scheduler {
  const named = (name: string) => {
    const fn = service.functions.find((it) => it.name === name)
    const handler = handlers[name]
    if (!fn || !handler) throw new Error(`serverless.yml has no function ${name}`)
    return { fn, handler }
  }
  return startScheduler(named('tick'), named('execute'), config())
}
