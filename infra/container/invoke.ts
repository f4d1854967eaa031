import { randomUUID } from 'node:crypto'
import { InvokeStore, InvokeStoreBase } from '@aws/lambda-invoke-store'
import type { Context } from 'aws-lambda'
import type { LambdaHandler } from '../service/handlers.ts'
import type { ServiceFunction } from '../service/service.ts'

const { REQUEST_ID } = InvokeStoreBase.PROTECTED_KEYS

// `true` selects the store that separates concurrent invocations, whatever the environment variables were when this
// module was loaded. Powertools finds the store in globalThis.
const store = await InvokeStore.getInstanceAsync(true)

/**
 * Calls a handler as Lambda would: with a context, and for at most the function's timeout. Rejects with the handler's
 * error, or with a FunctionTimeout. A handler that has timed out can't be stopped, so its late result is dropped.
 * `provide` receives the time limit before the handler starts.
 */
export const invoke = (
  fn: ServiceFunction,
  handler: LambdaHandler,
  event: unknown,
  requestId: string = randomUUID(),
  provide?: (limit: TimeLimit) => void,
): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const limit = new TimeLimit(fn.timeoutSeconds * 1000, () => reject(new FunctionTimeout(fn)))
    const context = toContext(fn, requestId, limit)
    const settle = (settleWith: (outcome: unknown) => void) => (outcome: unknown) => {
      limit.end()
      settleWith(outcome)
    }
    provide?.(limit)
    store
      .run({ [REQUEST_ID]: requestId }, async () => handler(event, context))
      .then(settle(resolve), settle(reject))
  })

/** How much time an invocation has. */
export class TimeLimit {
  readonly #ms: number
  readonly #expire: () => void
  #endsAt = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(ms: number, expire: () => void) {
    this.#ms = ms
    this.#expire = expire
    this.#start()
  }

  get remainingMs(): number {
    return Math.max(0, Math.floor(this.#endsAt - performance.now()))
  }

  /** Waits for `work` without a limit. Afterward, the invocation has its full time limit again. */
  async outside<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#timer)
    try {
      return await work()
    } finally {
      if (!this.#isOver) this.#start()
    }
  }

  end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }

  #start(): void {
    this.#endsAt = performance.now() + this.#ms
    this.#timer = setTimeout(this.#expire, this.#ms)
  }
}

export class FunctionTimeout extends Error {
  override name = 'FunctionTimeout'

  constructor(fn: ServiceFunction) {
    super(`${fn.name} timed out after ${fn.timeoutSeconds} seconds`)
  }
}

const toContext = (fn: ServiceFunction, awsRequestId: string, limit: TimeLimit): Context => ({
  awsRequestId,
  functionName: fn.name,
  functionVersion: '$LATEST',
  invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${fn.name}`,
  memoryLimitInMB: String(fn.memoryMb),
  logGroupName: `/aws/lambda/${fn.name}`,
  logStreamName: 'container',
  callbackWaitsForEmptyEventLoop: true,
  getRemainingTimeInMillis: () => limit.remainingMs,
  done: refuseCallback,
  fail: refuseCallback,
  succeed: refuseCallback,
})

// The type requires `done`, `fail` and `succeed`, but Lambda's Node 24 runtime no longer has them.
const refuseCallback = (): never => {
  throw new Error('handlers must return a promise; context.done, fail and succeed are not supported')
}
