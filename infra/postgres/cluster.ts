import { randomBytes, randomUUID } from 'node:crypto'
import { appendFile, chown, mkdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { buildOnce, exists, makeWay } from './build-once.ts'
import { isRoot, makeRootFolder, rootFolder, type ServerUser, standInForRoot } from './server-user.ts'

export type Initdb = (args: string[], user: ServerUser) => Promise<void>

/** A data folder, its log, its password, and the user that its server runs as. */
export type Cluster = { home: string; data: string; log: string; password: string; user: ServerUser }

const proof = join('data', 'PG_VERSION')
const settings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'timezone=UTC',
  'log_timezone=UTC',
]

/** Opens the cluster at `dataDir`, and creates it if it doesn't exist. */
export async function openCluster(dataDir: string, initdb: Initdb): Promise<Cluster> {
  try {
    await (isRoot ? makeForRoot(dataDir, initdb) : make(dataDir, initdb, {}))
    const home = await realpath(dataDir)
    const data = join(home, 'data')
    const { uid, gid } = await stat(data)
    return {
      home,
      data,
      log: join(home, 'postgres.log'),
      password: await readFile(join(home, 'password'), 'utf8'),
      user: isRoot ? { uid, gid } : {},
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `Can't use ${dataDir} for PostgreSQL: ${reason}
If it belongs to another user, such as root, start as that user or remove it. Or set DATABASE_URL.`
    throw new Error(message, { cause })
  }
}

/**
 * Creates root's cluster in `rootFolder`, with a link to it at `dataDir`, unless `dataDir` already leads to a cluster.
 */
async function makeForRoot(dataDir: string, initdb: Initdb) {
  const isMade = () => exists(join(dataDir, proof))
  if (await isMade()) return
  const home = join(rootFolder, `postgres-${randomUUID()}`)
  try {
    await makeWay(dataDir)
    await makeRootFolder()
    await make(home, initdb, standInForRoot())
    await mkdir(dirname(dataDir), { recursive: true })
    await symlink(home, dataDir)
  } catch (error) {
    await rm(home, { recursive: true, force: true })
    if (!(await isMade())) throw error
  }
}

async function make(target: string, initdb: Initdb, user: ServerUser) {
  // pg_ctl puts the path into a shell command, between double quotes.
  if (/[$`"]/.test(target)) throw new Error('pg_ctl does not support a path with $, ` or " in it')
  await buildOnce(target, proof, async (staging) => {
    const own = async (path: string) => {
      if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid)
    }
    const [data, password, log] = [
      join(staging, 'data'),
      join(staging, 'password'),
      join(staging, 'postgres.log'),
    ]
    await writeFile(password, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true })
    await appendFile(log, '', { mode: 0o600 })
    await Promise.all([staging, password, log].map(own))
    await initdb(
      [
        ...['-D', data, '--username=postgres', `--pwfile=${password}`, '--auth=scram-sha-256'],
        // The same sort order and case rules on every system, regardless of its locales.
        ...['--encoding=UTF8', '--no-locale', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      user,
    )
  })
}
