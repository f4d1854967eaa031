import { setTimeout as wait } from 'node:timers/promises'
import type { Config } from '../../shared/config.ts'
import type { Database } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'
import { claimsInUse, handBackClaims } from '../../shared/scheduling/repair/drop-claims.ts'
import type { Ticked } from '../../shared/scheduling/tick/tick.ts'
import { startTickTimer } from '../../shared/scheduling/tick/tick-timer.ts'

export type OfflineScheduler = {
  /** Stops ticking, and waits for runs to finish within the grace period. `hurry` ends the grace period early. */
  drain(graceSeconds: number, hurry: AbortSignal): Promise<void>
  /** Hands back the executions that this process's claims still hold. Only call it once its workers have stopped. */
  giveBack(): Promise<void>
}

/** Number of remembered claims above which finished claims are forgotten. */
const REMEMBERED = 1000

const POLL_MS = 100

/** Longer than the tick function's timeout in serverless.yml. */
const TICK_LIMIT_MS = 95_000

/**
 * Invokes the tick function through the emulated Lambda API, as on Lambda. Remembers the ticks' claims, so that only
 * these claims are handed back. Other processes may use the same database, and must keep their claims.
 */
export function startOfflineScheduler(
  sql: Database,
  tickUrl: string,
  { tickIntervalMs }: Config,
): OfflineScheduler {
  let claims: string[] = []
  const tick = async (): Promise<void> => {
    const { claimIds } = await invokeTick(tickUrl)
    claims.push(...claimIds)
    if (claims.length > REMEMBERED) claims = await claimsInUse(sql, claims)
  }
  const ticker = startTickTimer(tick, tickIntervalMs)
  return {
    async drain(graceSeconds, hurry) {
      await ticker.stop()
      const deadline = performance.now() + graceSeconds * 1000
      while ((await claimsInUse(sql, claims)).length > 0) {
        if (hurry.aborted || performance.now() >= deadline) return
        await wait(POLL_MS)
      }
    },
    async giveBack() {
      const freed = await handBackClaims(sql, claims)
      if (freed > 0) logger.info('executions handed back', { executions: freed })
    },
  }
}

async function invokeTick(url: string): Promise<Ticked> {
  const response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(TICK_LIMIT_MS) })
  const answer = await response.text()
  if (!response.ok || response.headers.has('x-amz-function-error')) throw new Error(`tick failed: ${answer}`)
  // The cast relies on the tick function's own return type.
  return JSON.parse(answer) as Ticked
}
