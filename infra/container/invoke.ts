import { randomUUID } from 'node:crypto'
import { InvokeStore, InvokeStoreBase } from '@aws/lambda-invoke-store'
import type { Context } from 'aws-lambda'
import type { LambdaHandler } from '../service/handlers.ts'
import type { ServiceFunction } from '../service/service.ts'

const { REQUEST_ID } = InvokeStoreBase.PROTECTED_KEYS

// `true` selects the store that separates concurrent invocations, regardless of the environment variables when this
// module was loaded. Powertools finds the store in globalThis.
const store = await InvokeStore.getInstanceAsync(true)

/**
 * Calls a handler as Lambda would: with a context, and for at most the function's timeout. Rejects with the handler's
 * error, or with a FunctionTimeout. A handler that has timed out can't be stopped, so its late result is dropped.
 */
export const invoke = (
  fn: ServiceFunction,
  handler: LambdaHandler,
  event: unknown,
  requestId: string = randomUUID(),
): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const timeout = fn.timeoutSeconds * 1000
    const context = toContext(fn, requestId, performance.now() + timeout)
    const timer = setTimeout(() => reject(new FunctionTimeout(fn)), timeout)
    const settle = (settleWith: (outcome: unknown) => void) => (outcome: unknown) => {
      clearTimeout(timer)
      settleWith(outcome)
    }
    store
      .run({ [REQUEST_ID]: requestId }, async () => handler(event, context))
      .then(settle(resolve), settle(reject))
  })

export class FunctionTimeout extends Error {
  override name = 'FunctionTimeout'

  constructor(fn: ServiceFunction) {
    super(`${fn.name} timed out after ${fn.timeoutSeconds} seconds`)
  }
}

const toContext = (fn: ServiceFunction, awsRequestId: string, deadline: number): Context => ({
  awsRequestId,
  functionName: fn.name,
  functionVersion: '$LATEST',
  invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${fn.name}`,
  memoryLimitInMB: String(fn.memoryMb),
  logGroupName: `/aws/lambda/${fn.name}`,
  logStreamName: 'container',
  callbackWaitsForEmptyEventLoop: true,
  getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
  done: refuseCallback,
  fail: refuseCallback,
  succeed: refuseCallback,
})

// The type requires `done`, `fail` and `succeed`, but Lambda's Node 24 runtime no longer has them.
const refuseCallback = (): never => {
  throw new Error('handlers must return a promise; context.done, fail and succeed are not supported')
}
