import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { eventually } from '../setup/eventually.ts'

export type Runtime = {
  url: string
  /** This machine's host name as seen from inside the runtime. Defaults to 127.0.0.1. */
  hostName?: string
  /** Set if the runtime can't stop executions: on shutdown it lets them finish instead of handing them back. */
  finishes?: true
  /** Returns everything printed so far. */
  log(): string
  /** Sends the signal and returns the exit code, or null if a signal ended the process. */
  stop(signal: NodeJS.Signals): Promise<number | null>
  /** Cleans up after a test, whatever state the runtime is in. */
  kill(): Promise<void>
}

export type StartRuntime = (env: Record<string, string>) => Promise<Runtime>

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const START_SECONDS = 30
const STOP_MS = 15_000
/** Milliseconds after which a process is killed, in case a test has left it running. No test file takes this long. */
const LIFETIME_MS = 180_000

/** Starts a runtime in its own process. Resolves once it has printed the URL of its API. */
export async function startProcess(
  args: string[],
  env: Record<string, string>,
  lifetimeMs = LIFETIME_MS,
): Promise<Runtime> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: lifetimeMs,
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
    throw new Error(`the runtime didn't start; it printed:\n${log()}`, { cause: error })
  }
}

function findUrl(log: string, exitCode: number | null): string {
  const url = /^API at (http:\S+),/m.exec(log)?.[1]
  if (url === undefined) throw new Error(`no URL printed yet; exit code ${exitCode}`)
  return url
}
