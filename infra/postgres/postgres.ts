import { readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findBinaries, run } from './binaries.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { type Lease, takeLease } from './lease.ts'
import { findPostmaster, isServing, type Postmaster } from './postmaster.ts'

/** The folder in which `npm start` and serverless offline keep their data. */
export const DATA_FOLDER = fileURLToPath(new URL('../../.local/postgres', import.meta.url))

export type LocalPostgres = {
  url: string
  /** Whether the server was already running. If so, another process is using it, or its last user was killed. */
  reused: boolean
  /** The actual location of the data. */
  home: string
  stop(): Promise<void>
}

const durable = '-c fsync=on'
const fast = '-c fsync=off -c synchronous_commit=off -c full_page_writes=off'
const patienceMs = 60_000
const KEEP_ALIVE_MS = 1000

/**
 * Starts the embedded PostgreSQL on `dataDir`, or joins the server that is already running there.
 *
 * - It only listens on 127.0.0.1, on a free port, and requires a random password, which is in `url` and in
 *   `dataDir/password` (mode 600).
 * - `stop()` stops the server if no other process uses it. Otherwise, the last process to use the server stops it. A
 *   killed process no longer counts as using it.
 * - A server that dies is restarted on the same port, unless it is `ephemeral`.
 * - If this process is root, the server runs as the data's owner: `postgres`, or `nobody` if that user doesn't exist.
 *   `dataDir` is then a link into /var/lib/task-scheduler, since the owner may not be able to access the checkout.
 * - `ephemeral` gives up durability, and `stop()` removes the data.
 *
 * @throws Error that names the package and `DATABASE_URL` if there are no binaries for this platform.
 */
export async function startPostgres(
  dataDir: string,
  options: { ephemeral?: boolean } = {},
): Promise<LocalPostgres> {
  const { ephemeral = false } = options
  const folder = resolve(dataDir)
  const { pgCtl, initdb } = await findBinaries()
  const cluster = await openCluster(folder, (args, user) =>
    run(initdb, ephemeral ? [...args, '--no-sync'] : args, user),
  )
  const flags = ephemeral ? fast : durable
  let entered = await enter(cluster, pgCtl, { flags })
  const { url, reused } = entered
  const keeper = ephemeral
    ? undefined
    : keepAlive(
        cluster,
        () => entered.postmaster,
        async () => {
          await entered.lease.end()
          entered = await enter(cluster, pgCtl, { flags, port: Number(new URL(url).port) })
        },
      )
  const stop = async () => {
    await keeper?.stop()
    try {
      if (await entered.lease.release()) await stopServer(cluster, pgCtl, entered.postmaster)
    } finally {
      await entered.lease.end()
    }
    if (ephemeral && !(await findPostmaster(cluster.data))) await remove(cluster.home, folder)
  }
  let stopping: Promise<void> | undefined
  return {
    url,
    reused,
    home: cluster.home,
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}

/**
 * Starts the server, or joins it. Several processes may call this at once, and the server may be starting, recovering
 * or shutting down. PostgreSQL's own lock decides which process starts the server. All processes, including that one,
 * then join the server in the same way.
 */
async function enter(cluster: Cluster, pgCtl: string, start: { flags: string; port?: number }) {
  const deadline = performance.now() + patienceMs
  let failures: unknown[] = []
  let reused = true
  while (performance.now() < deadline && failures.length < 5) {
    const postmaster = await findPostmaster(cluster.data)
    if (!postmaster) {
      try {
        await startServer(cluster, pgCtl, start)
        reused = false
      } catch (error) {
        failures.push(error)
        await delay(100)
      }
      continue
    }
    failures = []
    const url = `postgres://postgres:${cluster.password}@127.0.0.1:${postmaster.port}/postgres`
    const lease: Lease | null = await takeLease(url)
    if (lease) return { url, lease, reused, postmaster }
    await delay(50)
  }
  const lastLines = (await readFile(cluster.log, 'utf8')).split('\n').slice(-12).join('\n')
  const message = `PostgreSQL in ${cluster.home} doesn't ${failures.length ? 'start' : 'respond'}. Its log ends with:\n${lastLines}`
  throw new Error(message, { cause: failures.at(-1) })
}

async function startServer(
  { data, log, user }: Cluster,
  pgCtl: string,
  { flags, port: wanted }: { flags: string; port?: number },
) {
  // Another program may take the free port first. The next attempt then uses a different port.
  const port = wanted ?? (await freePort())
  await run(pgCtl, ['start', '--wait', '-D', data, '-l', log, '-o', `-p ${port} ${flags}`], user)
}

async function stopServer({ data, user }: Cluster, pgCtl: string, { pid }: Postmaster) {
  // Without --wait, which would keep waiting if another process starts a new server right after this server stops.
  await run(pgCtl, ['stop', '--no-wait', '--mode=fast', '-D', data], user)
  const deadline = performance.now() + patienceMs
  while (await isServing(pid, data)) {
    if (performance.now() > deadline) throw new Error(`PostgreSQL (process ${pid}) in ${data} doesn't stop`)
    await delay(10)
  }
}

/**
 * Checks every second whether the server is still running. If not, `restart` starts it again on the same port, which
 * the pools already use. Every process that shares the server does this: the first process restarts the server, and the
 * others join it.
 */
function keepAlive(
  { data }: Cluster,
  entered: () => Postmaster,
  restart: () => Promise<void>,
): { stop(): Promise<void> } {
  let looking: Promise<void> | undefined
  const look = async () => {
    // A different pid means that another process has already restarted the server. `restart` then joins that server.
    if ((await findPostmaster(data))?.pid === entered().pid) return
    const logger = await loadLogger()
    logger.warn('the embedded PostgreSQL died and is being restarted')
    await restart()
    logger.warn('the embedded PostgreSQL is running again')
  }
  const timer = setInterval(() => {
    looking ??= look()
      .catch(async (error: Error) => {
        const logger = await loadLogger()
        logger.error('the embedded PostgreSQL could not be restarted', { error })
      })
      .finally(() => {
        looking = undefined
      })
  }, KEEP_ALIVE_MS).unref()
  return {
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

/** Imports the logger only when it is needed, since it reads the settings, including this server's URL. */
const loadLogger = async () => (await import('../../shared/logger.ts')).logger

const remove = (...paths: string[]) =>
  Promise.all(paths.map((path) => rm(path, { recursive: true, force: true })))

function freePort(): Promise<number> {
  return new Promise((settle, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => settle(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
