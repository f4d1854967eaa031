import type { Queryable } from '../db.ts'
import type { Claim } from './claim.ts'

/** Those of the claims that still hold an execution: queued or running. */
export async function openClaims(sql: Queryable, claimIds: string[]): Promise<string[]> {
  const rows = await sql<{ claim_id: string }[]>`
    select distinct claim_id
    from executions
    where status in ('queued', 'running') and claim_id = any(${claimIds}::uuid[])`
  return rows.map((row) => row.claim_id)
}

/**
 * What a statement sets to free an open execution for the next claim, also a running one: a shutdown is no attempt. One that
 * was asked to stop has stopped.
 */
export const freed = (sql: Queryable) => sql`
  claim_id = null, lease_expires_at = null,
  status = case when cancel_requested_at is null then 'queued' else 'cancelled' end,
  started_at = case when cancel_requested_at is null then null else started_at end,
  finished_at = case when cancel_requested_at is null then null else now() end`

/**
 * Frees all that the claims still hold. For workers that are gone already: one that still runs would overlap with whoever
 * claims its execution next. Gives how many were freed.
 */
export async function giveBackClaims(sql: Queryable, claimIds: string[]): Promise<number> {
  const rows = await sql`
    update executions
    set ${freed(sql)}
    where status in ('queued', 'running') and claim_id = any(${claimIds}::uuid[])`
  return rows.count
}

/** Frees what a claim has not started, for the next claim. */
export async function giveBackUnstarted(sql: Queryable, { claimId, executionIds }: Claim): Promise<void> {
  await sql`
    update executions
    set claim_id = null, lease_expires_at = null
    where id = any(${executionIds}::bigint[]) and claim_id = ${claimId} and status = 'queued'`
}
