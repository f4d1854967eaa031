import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Seed, Settings } from '../systems/settings.ts'
import type { Answer, Load, LoadResult, Request, Summary } from './protocol.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** What a system's process inherits from this one's environment. Its settings come from nowhere else. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'SystemRoot', 'LD_LIBRARY_PATH']

const alive = new Set<ChildProcess>()

/** Kills every worker. */
export function killWorkers(): void {
  for (const child of alive) child.kill('SIGKILL')
}

/** A system in a process of its own. Every call rejects if that process ends, or takes longer than its limit. */
export class Worker {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #answer: ((answer: Answer) => void) | undefined
  runs = 0
  /** When progress was reported, and the runs by then. */
  readonly progress: { runs: number; atMs: number }[] = []
  hasBegun = false
  hasEnded = false

  constructor() {
    const env = Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]))
    this.#child = fork(MAIN, { env, execArgv: ['--no-warnings'], serialization: 'advanced' })
    alive.add(this.#child)
    this.#ended = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        alive.delete(this.#child)
        this.hasEnded = true
        this.#answer?.({ kind: 'error', message: `the worker ended (${signal ?? code})` })
        resolve()
      })
    })
    this.#child.on('message', (answer: Answer) => {
      if (answer.kind !== 'progress') return this.#answer?.(answer)
      this.hasBegun = true
      this.runs = answer.runs
      this.progress.push(answer)
    })
  }

  open = (module: string, settings: Settings) => this.#call<null>({ call: 'open', module, settings }, 30_000)
  install = () => this.#call<null>({ call: 'install' }, 60_000)
  seed = (seed: Seed) => this.#call<null>({ call: 'seed', seed }, 600_000)
  start = () => this.#call<string | null>({ call: 'start' }, 60_000)
  idle = (times: number) => this.#call<number[]>({ call: 'idle', times }, 120_000)
  load = (loads: Load[]) => this.#call<LoadResult[]>({ call: 'load', loads }, 600_000)
  /** Microseconds since it started. */
  cpuUs = () => this.#call<number>({ call: 'cpu' }, 60_000)
  summary = () => this.#call<Summary>({ call: 'summary' }, 60_000)

  /** Lets it stop by itself for so long, then kills it. Resolves when it is gone, and its connections with it. */
  async end(graceMs: number): Promise<void> {
    if (graceMs > 0) await this.#call<null>({ call: 'stop' }, graceMs).catch(() => {})
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** The cast: worker/main.ts answers each call with its own result. */
  #call<Result>(request: Request, limitMs: number): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (!this.#child.connected) return reject(new Error(`${request.call}: the worker has ended`))
      const timer = setTimeout(
        () => settle({ kind: 'error', message: `not within ${limitMs / 1000} s` }),
        limitMs,
      ).unref()
      const settle = (answer: Answer): void => {
        clearTimeout(timer)
        this.#answer = undefined
        if (answer.kind === 'error') reject(new Error(`${request.call}: ${answer.message}`))
        else if (answer.kind === 'result') resolve(answer.result as Result)
      }
      this.#answer = settle
      this.#child.send(request)
    })
  }
}
