import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import * as z from 'zod'
import { config } from '../../shared/config.ts'
import { schedulerDb } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { loadClaim } from '../../shared/scheduling/claim/load-claim.ts'
import { publishMetrics } from '../metrics/emf.ts'
import { executor, memory, presence } from '../program.ts'

/** The claim to run. If the tick ran in this process, the claim is already in memory. */
const claimed = z.object({ claimId: z.uuid(), taskIds: z.array(z.int()).max(1000).default([]) })

/** Milliseconds reserved for settling at the end of the invocation. */
const SETTLE_MS = 3000

/** Runs a claim's executions. Returns once all of them are settled. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (event: unknown, context: Context): Promise<void> => {
    const ids = claimed.parse(event)
    await presence().during(async () => {
      const claim =
        executor().accepted(ids.claimId) ??
        (await loadClaim(schedulerDb(), memory, ids, config().leaseSeconds))
      await executor().execute(claim, context.getRemainingTimeInMillis() - SETTLE_MS)
    })
    await publishMetrics({ withDatabase: false })
  })
