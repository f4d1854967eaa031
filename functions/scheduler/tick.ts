import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import { config } from '../../shared/config.ts'
import { db } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { currentInvoke } from '../../shared/scheduling/invoke.ts'
import { type Ticked, tick } from '../../shared/scheduling/tick.ts'

/** One tick. Its answer tells what it did, and under which claim ids. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (): Promise<Ticked> => {
    const { leaseSeconds, claimAheadMs } = config()
    return await tick(db(), currentInvoke(), { leaseSeconds, aheadMs: claimAheadMs })
  })
