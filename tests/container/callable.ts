import type { LambdaHandler } from '../../infra/service/handlers.ts'

/** A function of serverless.yml that has no routes. */
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
