import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import { longDb } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { migrate } from './migrate.ts'

/**
 * Migrates the database from inside its network, and returns what it applied: `serverless invoke -f migrate`. It is
 * beside the files that it reads, in the checkout as in the zip, and not in `functions/`, which doesn't import
 * `infra/`.
 */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (): Promise<{ applied: string[] }> => ({ applied: await migrate(longDb()) }))
