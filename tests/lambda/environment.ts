import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const CLIENT = createRequire(import.meta.url).resolve('aws-lambda-ric')
const NATIVE = fileURLToPath(new URL('native-client.ts', import.meta.url))

/** A packaged function: its unpacked zip and its properties in the template. */
export type Build = {
  name: string
  folder: string
  handler: string
  timeoutSeconds: number
  env: Record<string, string>
}

type Invocation = {
  id: string
  event: string
  resolve(answer: unknown): void
  reject(error: Error): void
}

/**
 * A Lambda execution environment: a process that runs AWS's runtime client, with a Runtime API of its own. It handles
 * one invocation at a time. Between invocations it's stopped with SIGSTOP, just as Lambda freezes an environment.
 */
export class Environment {
  readonly #build: Build
  readonly #api: Server
  #child: ChildProcess | undefined
  readonly #since = performance.now()
  #asking: ServerResponse | undefined
  #current: Invocation | undefined
  #gone: Error | undefined
  /** Milliseconds from the start of the process until it requested its first invocation. */
  initMs: number | undefined

  constructor(build: Build, print: (text: string) => void) {
    this.#build = build
    this.#api = createServer((request, response) => void this.#serve(request, response))
    this.#api.listen(0, '127.0.0.1', () => this.#start(print))
  }

  get isIdle(): boolean {
    return this.#current === undefined && this.#gone === undefined
  }

  get isGone(): boolean {
    return this.#gone !== undefined
  }

  /**
   * Returns the handler's result. Rejects with the handler's error if the handler fails. Also rejects if the function
   * times out. As on Lambda, a timeout also kills the process.
   */
  invoke(id: string, event: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const seconds = this.#build.timeoutSeconds
    const timer = setTimeout(() => {
      this.#fail(new Error(`${this.#build.name}: timed out after ${seconds} seconds`))
    }, seconds * 1000)
    this.#current = { id, event, resolve, reject }
    if (this.#gone) reject(this.#gone)
    this.#child?.kill('SIGCONT')
    this.#hand()
    return promise.finally(() => clearTimeout(timer))
  }

  kill(): void {
    this.#fail(new Error(`${this.#build.name}: killed`))
  }

  async end(): Promise<void> {
    this.kill()
    const { exitCode, signalCode } = this.#child ?? {}
    if (this.#child && exitCode === null && signalCode === null) await once(this.#child, 'exit')
    this.#api.closeAllConnections()
    this.#api.close()
  }

  #start(print: (text: string) => void): void {
    if (this.#gone) return
    const { name, folder, handler, env } = this.#build
    const { port } = this.#api.address() as AddressInfo
    const own = { AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`, _HANDLER: handler, LAMBDA_TASK_ROOT: folder }
    const child = spawn(process.execPath, ['--import', NATIVE, CLIENT], {
      cwd: folder,
      env: { ...env, ...own },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', print)
    child.on('exit', (code, signal) => this.#fail(new Error(`${name}: exited with ${code ?? signal}`)))
    this.#child = child
  }

  #fail(error: Error): void {
    this.#gone ??= error
    this.#current?.reject(error)
    this.#child?.kill('SIGKILL')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, id, what] = /\/runtime\/(?:invocation\/)?([^/]+)(?:\/(\w+))?$/.exec(request.url ?? '') ?? []
    if (id === 'next') return this.#next(response)
    const body = await text(request)
    response.writeHead(202).end()
    if (id === 'init') return this.#fail(new Error(`${this.#build.name}: ${body}`))
    const current = this.#current
    if (current?.id !== id) return
    this.#current = undefined
    if (what === 'response') current?.resolve(JSON.parse(body))
    else current?.reject(new Error(`${this.#build.name}: ${body}`))
  }

  #next(response: ServerResponse): void {
    this.initMs ??= performance.now() - this.#since
    this.#asking = response
    if (this.#current) this.#hand()
    else this.#child?.kill('SIGSTOP')
  }

  /** Passes the current invocation to the process if the process has requested one. */
  #hand(): void {
    const { name, timeoutSeconds } = this.#build
    if (!this.#asking || !this.#current) return
    this.#asking
      .writeHead(200, {
        'content-type': 'application/json',
        'lambda-runtime-aws-request-id': this.#current.id,
        'lambda-runtime-deadline-ms': String(Date.now() + timeoutSeconds * 1000),
        'lambda-runtime-invoked-function-arn': `arn:aws:lambda:us-east-1:123456789012:function:${name}`,
      })
      .end(this.#current.event)
    this.#asking = undefined
  }
}
