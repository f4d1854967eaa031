import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { inject } from 'vitest'
import { send } from '../conformance/client.ts'
import type { Runtime } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { compose, docker } from './docker.ts'

const START_SECONDS = 30
/** This machine's name inside the containers. `--add-host` or `extra_hosts` defines it. */
const HOST_NAME = 'host.docker.internal'

type Env = Record<string, string>

/** Starts a container from the image on the stack's network, as locked down as possible. */
export async function startContainer(env: Env): Promise<Runtime> {
  const { project, image } = inject('stack')
  const locked = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']
  const network = ['--network', `${project}_default`, '--publish', '127.0.0.1::8000']
  const settings = Object.entries(inNetwork(env)).flatMap(([key, value]) => ['--env', `${key}=${value}`])
  const host = ['--add-host', `${HOST_NAME}:host-gateway`]
  const id = await docker(['run', '--detach', ...locked, ...network, ...host, ...settings, image])
  return await follow(id)
}

/** Starts the compose stack's api service. The stack's PostgreSQL is already running. */
export async function startCompose(env: Env): Promise<Runtime> {
  const { project } = inject('stack')
  const settings = Object.entries(inNetwork(env)).map(([key, value]) => [`TEST_${key}`, value])
  await compose(project, ['up', '--detach', '--wait', 'api'], Object.fromEntries(settings))
  return await follow(await compose(project, ['ps', '--quiet', 'api']))
}

/** Adapts the settings to the stack's network: uses PostgreSQL's address there, and the default HOST and PORT. */
function inNetwork({ DATABASE_URL, HOST, PORT, ...env }: Env): Env {
  if (!DATABASE_URL) return env
  const url = Object.assign(new URL(DATABASE_URL), { host: 'postgres:5432' })
  return { ...env, DATABASE_URL: url.href }
}

async function follow(id: string): Promise<Runtime> {
  const logs = spawn('docker', ['logs', '--follow', id], { stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: string[] = []
  for (const stream of [logs.stdout, logs.stderr])
    stream.setEncoding('utf8').on('data', (it) => chunks.push(it))
  const log = (): string => chunks.join('')
  const ended = once(logs, 'close')
  const stop = async (signal: NodeJS.Signals): Promise<number> => {
    await docker(['kill', '--signal', signal, id])
    const code = await docker(['wait', id])
    await ended
    return Number(code)
  }
  const kill = async (): Promise<void> => {
    await docker(['rm', '--force', '--volumes', id])
    await ended
  }
  try {
    const url = `http://${await docker(['port', id, '8000/tcp'])}`
    await eventually(async () => {
      const { status } = await send(url, { path: '/readyz' })
      if (status !== 200) throw new Error(`/readyz returns ${status}`)
    }, START_SECONDS)
    return { url, hostName: HOST_NAME, log, stop, kill }
  } catch (error) {
    await kill()
    throw new Error(`the container didn't start; it printed:\n${log()}`, { cause: error })
  }
}
