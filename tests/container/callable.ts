import type { LambdaHandler } from '../../infra/service/handlers.ts'

/** Returns a function without routes, in the form that `readService` returns, and its handler. */
export const callable = (name: string, handler: unknown) => ({
  fn: {
    name,
    file: '',
    exportName: 'handler',
    timeoutSeconds: 60,
    memoryMb: 128,
    routes: [],
    scheduled: false,
  },
  handler: handler as LambdaHandler,
})
