import { randomUUID } from 'node:crypto'
import { type Build, Environment } from './environment.ts'

export type LambdaFunction = Build & { reservedConcurrency: number | undefined }

/** Lambda's payload limit for asynchronous invocations, in bytes. */
const EVENT_LIMIT = 262_144

/** Runs each concurrent invocation in its own environment. Reuses a function's idle environments, newest first. */
export class Lambda {
  readonly #functions: Map<string, LambdaFunction>
  readonly #environments = new Map<string, Environment[]>()
  readonly #asynchronous = new Set<Promise<void>>()
  readonly #chunks: string[] = []
  /**
   * Errors from failed asynchronous invocations. On AWS, an on-failure destination would receive them. Failed
   * invocations aren't retried, because the template disables retries.
   */
  readonly failures: string[] = []
  readonly initMs: number[] = []

  constructor(functions: LambdaFunction[]) {
    this.#functions = new Map(functions.map((fn) => [fn.name, fn]))
    process.once('exit', this.#killAll)
  }

  log(): string {
    return this.#chunks.join('')
  }

  has(name: string): boolean {
    return this.#functions.has(name)
  }

  /**
   * Returns the handler's result. Rejects if the handler fails, or if the function has reached its reserved
   * concurrency.
   */
  async invoke(name: string, event: unknown, id: string = randomUUID()): Promise<unknown> {
    const environment = this.#environmentOf(name)
    const isCold = environment.initMs === undefined
    try {
      return await environment.invoke(id, JSON.stringify(event))
    } finally {
      if (isCold && environment.initMs !== undefined) this.initMs.push(environment.initMs)
    }
  }

  /** Invokes the function asynchronously, as `InvocationType: Event` does. */
  invokeLater(name: string, event: unknown): void {
    if (JSON.stringify(event).length > EVENT_LIMIT) throw new Error(`${name}: the event is too large`)
    const work = this.invoke(name, event)
      .then(
        () => {},
        (error: Error) => void this.failures.push(error.message),
      )
      .finally(() => this.#asynchronous.delete(work))
    this.#asynchronous.add(work)
  }

  /** Resolves when no asynchronous invocation is running. */
  async idle(): Promise<void> {
    while (this.#asynchronous.size > 0) await Promise.all(this.#asynchronous)
  }

  async end(): Promise<void> {
    await Promise.all(this.#all().map((it) => it.end()))
    process.off('exit', this.#killAll)
  }

  readonly #all = (): Environment[] => [...this.#environments.values()].flat()

  /** Kills all processes, because a frozen process doesn't notice that its parent has exited. */
  readonly #killAll = (): void => {
    for (const environment of this.#all()) environment.kill()
  }

  #environmentOf(name: string): Environment {
    const fn = this.#functions.get(name)
    if (!fn) throw new Error(`there is no function ${name}`)
    const all = (this.#environments.get(name) ?? []).filter((it) => !it.isGone)
    this.#environments.set(name, all)
    const idle = all.findLast((it) => it.isIdle)
    if (idle) return idle
    if (all.length === fn.reservedConcurrency) throw new Error(`${name}: throttled`)
    const fresh = new Environment(fn, (text) => this.#chunks.push(text))
    all.push(fresh)
    return fresh
  }
}
