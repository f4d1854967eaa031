import { get } from 'node:http'

const EVERYWHERE = ['', '0.0.0.0', '::']

/**
 * The image's HEALTHCHECK. Exits with 0 if this container's /healthz returns 200. Imports little, since it runs every
 * few seconds.
 */
const { HOST = '', PORT } = process.env
const host = EVERYWHERE.includes(HOST) ? '127.0.0.1' : HOST

get({ host, port: Number(PORT || 8000), path: '/healthz', timeout: 2000 }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1)
})
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1))
