import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import * as z from 'zod'
import { logger } from '../../shared/logger.ts'
import { executor } from '../../shared/scheduling/execute.ts'

const claim = z.object({
  claimId: z.uuid(),
  executionIds: z.array(z.int()).max(1000),
  waitsMs: z.array(z.number()),
})

/** Time to settle what runs into the end of the invocation. */
const SETTLE_MS = 3000

/** Runs the executions of a claim, and answers when all of them are settled. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (event: unknown, context: Context): Promise<void> => {
    await executor().execute(claim.parse(event), context.getRemainingTimeInMillis() - SETTLE_MS)
  })
