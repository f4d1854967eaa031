import type { IncomingMessage, ServerResponse } from 'node:http'
import { metricsText } from '../../functions/metrics/exposition.ts'
import { logger } from '../../shared/logger.ts'
import { type Listening, listen } from './server.ts'

/** A scraper needs one connection. More are for several of them, and for people. */
const CONNECTIONS = 16

/** Serves `/metrics`, without a key, on a port of its own. */
export async function listenForMetrics(port: number, host: string): Promise<Listening> {
  const limits = { maxConnections: CONNECTIONS, maxConnectionsPerAddress: CONNECTIONS }
  const server = await listen((req, res) => void answer(req, res), { host, port, ...limits })
  logger.info('metrics need no key here', { url: `${server.url}/metrics` })
  return server
}

async function answer({ method, url }: IncomingMessage, res: ServerResponse): Promise<void> {
  try {
    if (url?.replace(/\?.*/, '') !== '/metrics') return void res.writeHead(404).end('only /metrics is here\n')
    if (method !== 'GET') return void res.writeHead(405, { allow: 'GET' }).end('only GET is supported\n')
    const { text, contentType } = await metricsText()
    res.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(text)
  } catch (error) {
    logger.error('metrics could not be written', { error: error as Error })
    if (!res.headersSent) res.writeHead(500)
    res.end('for details, search the log\n')
  }
}
