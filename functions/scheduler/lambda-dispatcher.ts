import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { Queryable } from '../../shared/db.ts'
import type { Dispatcher } from '../../shared/scheduling/claim/dispatch.ts'
import { keptSlots } from '../../shared/scheduling/run/slots.ts'

/** Maximum number of executions per invocation. They share the invocation's memory and time limit. */
export const CLAIM_SIZE = 10

/**
 * The SDK has no timeouts of its own. In a network without a route to Lambda, a tick would hang instead of freeing its
 * claims.
 */
const LIMITS = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 3000, requestTimeout: 3000, throwOnRequestTimeout: true },
}

let client: LambdaClient | undefined

type Options = {
  functionName: string
  /** Maximum number of executions that are open at once, across all invocations. */
  slots: number
}

/** Returns a dispatcher that sends each claim to the execute function as an asynchronous invocation (`Event`). */
export function lambdaDispatcher(sql: Queryable, { functionName, slots }: Options): Dispatcher {
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
      const quick = slots - open.held
      return { now: 0, ahead: quick - keptSlots(slots), quick }
    },
    async send({ id, executions }) {
      // Imported lazily: a container never uses the SDK, which would make up half of the code that it loads.
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
