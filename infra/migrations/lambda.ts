import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import { longDb } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { migrate } from './migrate.ts'

/**
 * Migrates the database from inside its network, and returns the names of the applied migrations. Run it with
 * `serverless invoke -f migrate`. This file is next to the files that it reads, both in the checkout and in the zip. It
 * can't be in `functions/`, which must not import `infra/`.
 */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (): Promise<{ applied: string[] }> => ({ applied: await migrate(longDb()) }))
