import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../infra/container/main.ts', import.meta.url))

const MOST_WARNINGS = 1000

export type Replica = {
  url: string
  pid: number
  /** Suspends the process until `thaw` is called, as if the machine had gone to sleep. */
  freeze(): void
  thaw(): void
  /** The first 1000 log lines at WARN or above. */
  warnings: string[]
  /** Kills the process at once, to simulate a crash. */
  kill(): Promise<void>
  /** Stops the process gracefully, as an orchestrator does. Returns the exit code. */
  stop(): Promise<number | null>
}

/**
 * Starts the container's process on a free port. Resolves once it serves requests. `onLine` gets each line of output.
 */
export async function startReplica(
  databaseUrl: string,
  env: Record<string, string>,
  onLine: (line: string) => void = () => {},
): Promise<Replica> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, PORT: '0', API_KEY: 'chaos', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  const warnings: string[] = []
  createInterface(child.stdout).on('line', onLine)
  createInterface(child.stderr).on('line', (line) => {
    if (process.env.DEBUG) console.log(line)
    if (warnings.length < MOST_WARNINGS) warnings.push(line)
    onLine(line)
  })
  const url = await serving(child)
  return {
    url,
    pid: child.pid ?? 0,
    warnings,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async kill() {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.kill('SIGTERM')
      const [code] = await exited
      return code
    },
  }
}

/** Resolves with the URL that the process prints. */
function serving(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < 100_000) output += text
      const url = /API at (http:\S+),/.exec(output)?.[1]
      if (url) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`a replica exited with code ${code}: ${output}`)))
  })
}
