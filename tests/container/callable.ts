import type { LambdaHandler } from '../../infra/service/handlers.ts'

/** Returns a handler with a definition of its function, as `readService` would return it, but without routes. */
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
