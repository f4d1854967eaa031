import type { LambdaClient } from '@aws-sdk/client-lambda'
import { config } from '../config.ts'
import { db, type Queryable } from '../db.ts'
import type { Claim } from './claim.ts'
import { giveBackUnstarted } from './give-back.ts'

/** The seam between tick and execute: how claimed executions reach the code that runs them. */
export type Invoke = {
  /** How many executions may be claimed now without waiting long for their start. */
  capacity(): Promise<number>
  /** Hands a claim over. It resolves when the claim is handed over, not when it is done. */
  send(claim: Claim): Promise<void>
  /** Lets a tick come soon; a runtime that can't do that leaves it to its next beat. */
  nudge?(): void
}

let local: Invoke | undefined

/** Runs execute in this process from now on: the container does, at its start. */
export function invokeLocally(invoke: Invoke): void {
  local = invoke
}

/** Lets a tick come soon when a task that was just written is due before the next beat's claims would have it. */
export function wakeTick({ next_run_at, updated_at }: { next_run_at: Date | null; updated_at: Date }): void {
  if (next_run_at === null) return
  if (next_run_at.getTime() - updated_at.getTime() <= config().claimAheadMs) local?.nudge?.()
}

/** In-process when the runtime has provided it, else the execute function's asynchronous invocation (`Event`). */
export function currentInvoke(): Invoke {
  return local ?? lambdaInvoke(db())
}

/** Hands a claim over, or gives it back when it can't be, so that it needn't wait for its lease to end. Rejects then. */
export async function handOver(sql: Queryable, invoke: Invoke, claim: Claim): Promise<void> {
  try {
    await invoke.send(claim)
  } catch (error) {
    await giveBackUnstarted(sql, claim)
    throw error
  }
}

/** Executions of one invocation: more would share one function's memory and time. */
const CHUNK = 10

/** The SDK's own are none, and a network without a way to Lambda swallows connections: a tick would hang instead of giving back. */
const LIMITS = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 3000, requestTimeout: 3000, throwOnRequestTimeout: true },
}

let client: LambdaClient | undefined

function lambdaInvoke(sql: Queryable): Invoke {
  const functionName = config().executeFunctionName
  if (!functionName) throw new Error('EXECUTE_FUNCTION_NAME is not set, and nothing executes in this process')
  return {
    async capacity() {
      const [open] = await sql<[{ held: number }]>`
        select count(*)::int as held
        from executions
        where status in ('queued', 'running') and claim_id is not null`
      return config().maxConcurrentExecutions - open.held
    },
    async send({ claimId, executionIds, waitsMs }) {
      // Only here: it is half of all that a container would load, and a container never sends.
      const { InvokeCommand, LambdaClient } = await import('@aws-sdk/client-lambda')
      client ??= new LambdaClient(LIMITS)
      for (let from = 0; from < executionIds.length; from += CHUNK) {
        const chunk: Claim = {
          claimId,
          executionIds: executionIds.slice(from, from + CHUNK),
          waitsMs: waitsMs.slice(from, from + CHUNK),
        }
        await client.send(
          new InvokeCommand({
            FunctionName: functionName,
            InvocationType: 'Event',
            Payload: JSON.stringify(chunk),
          }),
        )
      }
    },
  }
}
