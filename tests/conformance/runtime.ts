import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { eventually } from '../setup/eventually.ts'

export type Runtime = {
  url: string
  /** The name of this machine from inside the runtime. Default: 127.0.0.1. */
  hostName?: string
  /** Nothing can stop what runs there: at its end it lets executions finish, where others hand them back. */
  finishes?: true
  /** Everything it has printed so far. */
  log(): string
  /** Sends the signal, and returns the exit code; null if it had to be killed, or died of a signal. */
  stop(signal: NodeJS.Signals): Promise<number | null>
  /** For the end of a test, whatever has happened before. */
  kill(): Promise<void>
}

export type StartRuntime = (env: Record<string, string>) => Promise<Runtime>

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const START_SECONDS = 30
const STOP_MS = 15_000
/** Longer than any test file takes. A process that is left over ends by itself. */
const LIFETIME_MS = 180_000

/** Starts a runtime in a process of its own. Resolves when it prints where its API is. */
export async function startProcess(args: string[], env: Record<string, string>): Promise<Runtime> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIFETIME_MS,
    killSignal: 'SIGKILL',
  })
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (it) => chunks.push(it))
  const log = (): string => chunks.join('')
  const closed = once(child, 'close')
  const killNow = (): void => void child.kill('SIGKILL')
  process.once('exit', killNow)
  void closed.then(() => process.off('exit', killNow))
  const stop = async (signal: NodeJS.Signals): Promise<number | null> => {
    const timer = setTimeout(killNow, STOP_MS)
    child.kill(signal)
    await closed
    clearTimeout(timer)
    return child.exitCode
  }
  const kill = async (): Promise<void> => void (await stop('SIGKILL'))
  try {
    return { url: await eventually(() => findUrl(log(), child.exitCode), START_SECONDS), log, stop, kill }
  } catch (error) {
    await kill()
    throw new Error(`it doesn't start; it printed:\n${log()}`, { cause: error })
  }
}

function findUrl(log: string, exitCode: number | null): string {
  const url = /^API on (http:\S+),/m.exec(log)?.[1]
  if (url === undefined) throw new Error(`no address yet; exit code ${exitCode}`)
  return url
}
