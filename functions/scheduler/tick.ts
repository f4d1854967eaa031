import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import * as z from 'zod'
import { config } from '../../shared/config.ts'
import { schedulerDb } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { type Looped, loopTicks } from '../../shared/scheduling/tick/invocation-loop.ts'
import { type Ticked, tick } from '../../shared/scheduling/tick/tick.ts'
import { dispatcher } from '../program.ts'

/** Without `loopSeconds` it is one tick. The schedule of serverless.yml sets it: on AWS nothing fires more often than each minute. */
const beat = z.object({ loopSeconds: z.number().positive().max(840).optional() })

/** Ticks. Its answer tells what that did, and, of a single tick, under which claim ids. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (event: unknown): Promise<Ticked | Looped> => {
    const { loopSeconds } = beat.parse(event)
    const { leaseSeconds, claimAheadMs, tickIntervalMs } = config()
    const tickOnce = (aheadMs: number) => tick(schedulerDb(), dispatcher(), { leaseSeconds, aheadMs })
    if (loopSeconds === undefined) return await tickOnce(claimAheadMs)
    return await loopTicks(tickOnce, { loopSeconds, tickIntervalMs, claimAheadMs, leaseSeconds })
  })
