import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import * as z from 'zod'
import { config } from '../../shared/config.ts'
import { schedulerDb } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { loadClaim } from '../../shared/scheduling/claim/load-claim.ts'
import { executor } from '../program.ts'

/** Within a process the claim itself is passed. An invocation carries its ids. */
const handedOver = z.union([
  z.object({ claim: z.custom<Claim>((value) => typeof value === 'object' && value !== null) }),
  z.object({ claimId: z.uuid(), taskIds: z.array(z.int()).max(1000) }),
])

/** Time to settle at the end of the invocation. */
const SETTLE_MS = 3000

/** Runs the executions of a claim. Returns when all of them are settled. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (event: unknown, context: Context): Promise<void> => {
    const given = handedOver.parse(event)
    const claim =
      'claim' in given
        ? given.claim
        : await loadClaim(schedulerDb(), given.claimId, given.taskIds, config().leaseSeconds)
    await executor().execute(claim, context.getRemainingTimeInMillis() - SETTLE_MS)
  })
