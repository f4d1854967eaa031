import type { LambdaClient } from '@aws-sdk/client-lambda'
import { config } from '../config.ts'
import { type Queryable, schedulerDb } from '../db.ts'
import type { Claim } from './claim.ts'
import { keptOf } from './places.ts'
import { freeUnstarted } from './state/free.ts'

/** The seam between tick and execute: how claimed executions reach the code that runs them. */
export type Invoke = {
  /**
   * How many executions may be claimed: `now` of those that are due and start with their claim, `ahead` of those that wait; and, when that is none, of runs by
   * hand and of what is `quick`.
   */
  capacity(): Promise<{ now: number; ahead: number; quick?: number }>
  /** Keeps so many places more for what is being claimed and starts with its claim; less than 0 ends that. */
  reserve?(count: number): void
  /** Executions of one claim at most; unlimited when left out. */
  claimSize?: number
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
  return local ?? lambdaInvoke(schedulerDb())
}

/** Hands claims over, or gives them back when they can't be, so that they needn't wait for their lease to end. Rejects then. */
export async function handOver(sql: Queryable, invoke: Invoke, claims: Claim[]): Promise<void> {
  for (let from = 0; from < claims.length; from += SENT_AT_ONCE) {
    const some = claims.slice(from, from + SENT_AT_ONCE)
    const sent = await Promise.allSettled(some.map((claim) => invoke.send(claim)))
    const failed = sent.find((it) => it.status === 'rejected')
    if (!failed) continue
    const left = [
      ...some.filter((_, index) => sent[index]?.status === 'rejected'),
      ...claims.slice(from + SENT_AT_ONCE),
    ]
    await freeUnstarted(
      sql,
      left.flatMap(({ executions }) => executions),
    )
    throw failed.reason
  }
}

/** Claims that are handed over at once: each is a call of its own on Lambda. */
const SENT_AT_ONCE = 20

/** Executions of one invocation: more would share one function's memory and time. */
const CLAIM_SIZE = 10

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
    claimSize: CLAIM_SIZE,
    async capacity() {
      const [open] = await sql<[{ held: number }]>`
        select count(*)::int as held
        from claims c
        cross join unnest(c.task_ids) as u (task_id)
        cross join lateral (
          select from task_state s where s.task_id = u.task_id and s.claim_id = c.id and s.status is not null offset 0
        ) s`
      const places = config().maxConcurrentExecutions
      const quick = places - open.held
      return { now: 0, ahead: quick - keptOf(places), quick }
    },
    async send({ id, executions }) {
      // Only here: it is half of all that a container would load, and a container never sends.
      const { InvokeCommand, LambdaClient } = await import('@aws-sdk/client-lambda')
      client ??= new LambdaClient(LIMITS)
      await client.send(
        new InvokeCommand({
          FunctionName: functionName,
          InvocationType: 'Event',
          Payload: JSON.stringify({ claimId: id, taskIds: executions.map((it) => it.task_id) }),
        }),
      )
    },
  }
}
