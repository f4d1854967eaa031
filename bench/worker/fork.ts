import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Seed, Settings } from '../systems/settings.ts'
import type { Answer, Load, LoadResult, Request, Summary } from './protocol.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** Environment variables that a system's process inherits. Its settings come from the benchmark only. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'SystemRoot', 'LD_LIBRARY_PATH']

const alive = new Set<ChildProcess>()

/** Kills every worker. */
export function killWorkers(): void {
  for (const child of alive) child.kill('SIGKILL')
}

/** A system in its own process. A call rejects if the process exits, or if the call takes longer than its limit. */
export class Worker {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #answer: ((answer: Answer) => void) | undefined
  runs = 0
  /** All progress reports: the time of each report, and the number of runs so far. */
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
        this.#answer?.({ kind: 'error', message: `the worker exited (${signal ?? code})` })
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
  /** CPU time since the worker's measurement began, in microseconds. */
  cpuUs = () => this.#call<number>({ call: 'cpu' }, 60_000)
  summary = () => this.#call<Summary>({ call: 'summary' }, 60_000)

  /** Gives the process `graceMs` to stop, then kills it. Resolves when it has exited and its connections are closed. */
  async end(graceMs: number): Promise<void> {
    if (graceMs > 0) await this.#call<null>({ call: 'stop' }, graceMs).catch(() => {})
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** The cast is safe because worker/main.ts returns the matching result for each call. */
  #call<Result>(request: Request, limitMs: number): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (!this.#child.connected) return reject(new Error(`${request.call}: the worker has exited`))
      const timer = setTimeout(
        () => settle({ kind: 'error', message: `no reply within ${limitMs / 1000} s` }),
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
