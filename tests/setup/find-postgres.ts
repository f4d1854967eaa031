import { randomBytes } from 'node:crypto'
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerRuntimeClient } from 'testcontainers'
import { isRunning } from '../../infra/postgres/build-once.ts'
import { startPostgres } from '../../infra/postgres/postgres.ts'

type TestServer = { url: string; kind: string; stop(): Promise<void> }

const image = 'postgres:18'

/**
 * Returns the PostgreSQL server for a test run: `DATABASE_URL` if it is set, otherwise a container or, failing that, an
 * embedded server.
 */
export async function findPostgres(): Promise<TestServer> {
  const given = process.env.DATABASE_URL
  if (given) return { url: given, kind: 'from DATABASE_URL', stop: async () => {} }
  try {
    return await startContainer()
  } catch (error) {
    return await startEmbedded(error instanceof Error ? error.message : String(error))
  }
}

async function startContainer(): Promise<TestServer> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  const engine = await within(5_000, () => 'no Docker engine responds', getContainerRuntimeClient())
  // start() would pull the image too, but without a time limit.
  await within(120_000, (cause) => `Docker can't pull ${image}: ${cause}`, pull(engine))
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
  const password = randomBytes(16).toString('hex')
  const made = new PostgreSqlContainer(image).withPassword(password).withCommand(['postgres', ...fast])
  const starting = made.start()
  const container = await within(60_000, (cause) => `the ${image} container didn't start: ${cause}`, starting)
  const stop = async () => {
    await container.stop()
  }
  return { url: container.getConnectionUri(), kind: `in a ${image} container`, stop }
}

const fast = ['-c', 'fsync=off', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off']

async function pull(engine: ContainerRuntimeClient) {
  const { ImageName } = await import('testcontainers')
  const name = ImageName.fromString(image)
  if (!(await engine.image.exists(name))) await engine.image.pull(name)
}

async function startEmbedded(reason: string): Promise<TestServer> {
  await stopAbandoned()
  const folder = await mkdtemp(join(tmpdir(), `${folderName}-${process.pid}-`))
  const server = await startPostgres(join(folder, 'postgres'), { ephemeral: true })
  const stop = async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return { url: server.url, kind: `embedded (${reason})`, stop }
}

const folderName = 'task-scheduler-tests'

/** Removes servers that killed test runs left behind: connects to each of them, stops it and deletes its data. */
async function stopAbandoned() {
  for (const name of await readdir(tmpdir())) {
    const folder = join(tmpdir(), name)
    const [, prefix, pid] = /^(.+)-(\d+)-\w+$/.exec(name) ?? []
    if (prefix !== folderName || isRunning(Number(pid))) continue
    // Other users can write to the temporary folder too. Their files must not be run or removed.
    if ((await lstat(folder)).uid !== (process.getuid?.() ?? 0)) continue
    const server = await startPostgres(join(folder, 'postgres'), { ephemeral: true })
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Rejects with `reason` if the work fails or takes longer than `ms`. */
async function within<T>(ms: number, reason: (cause: unknown) => string, work: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = delay(ms, undefined, { signal: timer.signal }).then(() =>
    Promise.reject(new Error(`timed out after ${ms / 1000} s`)),
  )
  try {
    return await Promise.race([work, late])
  } catch (cause) {
    throw new Error(reason(cause instanceof Error ? cause.message.split('\n')[0] : cause), { cause })
  } finally {
    timer.abort()
    late.catch(() => {})
  }
}
