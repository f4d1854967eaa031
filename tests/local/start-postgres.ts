import { startPostgres } from '../../infra/postgres/postgres.ts'

/** An app that uses the local PostgreSQL until it receives a message or is killed. */
const [, , dataDir = ''] = process.argv
const server = await startPostgres(dataDir)
process.once('message', async () => {
  await server.stop()
  process.disconnect()
})
process.send?.({ url: server.url, reused: server.reused })
