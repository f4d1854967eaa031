import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../infra/container/main.ts', import.meta.url))

export type Replica = {
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>
  /** Ends it as an orchestrator does; gives its exit code. */
  stop(): Promise<number | null>
}

/** A real process of the container, on any free port. Resolves once it serves. */
export async function startReplica(databaseUrl: string, env: Record<string, string>): Promise<Replica> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, PORT: '0', API_KEY: 'chaos', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await serving(child)
  return {
    async kill() {
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

function serving(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < 100_000) output += text
      if (output.includes('http://')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`a replica ended with ${code}: ${output}`)))
  })
}
