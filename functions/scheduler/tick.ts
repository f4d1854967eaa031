import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import * as z from 'zod'
import { config } from '../../shared/config.ts'
import { schedulerDb } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { type Looped, loopTicks } from '../../shared/scheduling/tick/invocation-loop.ts'
import { type Ticked, tick } from '../../shared/scheduling/tick/tick.ts'
import { publishMetrics } from '../metrics/emf.ts'
import { dispatcher, memory, presence } from '../program.ts'

/**
 * Without `loopSeconds`, the handler ticks once. The schedule in serverless.yml sets `loopSeconds`, since schedules on
 * AWS fire at most once a minute.
 */
const beat = z.object({ loopSeconds: z.number().positive().max(840).optional() })

/** Runs one tick, or a loop of ticks. Returns what it did; for a single tick, that includes the ids of its claims. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .handler(async (event: unknown): Promise<Ticked | Looped> => {
    const { loopSeconds } = beat.parse(event)
    const { leaseSeconds, claimAheadMs, tickIntervalMs, runtime } = config()
    const tickOnce = async (aheadMs: number): Promise<Ticked> => {
      const ticked = await tick(schedulerDb(), dispatcher(), memory, { leaseSeconds, aheadMs })
      presence().ticked()
      return ticked
    }
    return await presence()
      .during(async () => {
        if (loopSeconds === undefined) return await tickOnce(claimAheadMs)
        return await loopTicks(tickOnce, { loopSeconds, tickIntervalMs, claimAheadMs, leaseSeconds })
      })
      .finally(async () => {
        // A container goes on. Elsewhere, the process may be frozen as soon as the invocation has ended.
        if (runtime !== 'container') await memory.rolledUp
        await publishMetrics({ withDatabase: true })
      })
  })
