import postgres from 'postgres'
import type { Database } from '../../shared/db.ts'

type Watched = {
  sql: Database
  /** Returns the plans of all statements executed since the last call, with actual row counts and buffer usage. */
  plans(): string[]
}

/**
 * Opens one connection that reports the plan of every statement through auto_explain, so that tests see the product's
 * own statements. The role in `url` must be a superuser.
 */
export async function watchPlans(url: string): Promise<Watched & AsyncDisposable> {
  const told: string[] = []
  const bigint = { to: 20, from: [20], parse: Number, serialize: String }
  const sql = postgres(url, {
    max: 1,
    types: { bigint },
    onnotice: ({ message }) => void told.push(message ?? ''),
  })
  await sql.unsafe(`
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_analyze = on;
    set auto_explain.log_buffers = on;
    set auto_explain.log_nested_statements = on;
    set client_min_messages = log`)
  return {
    sql,
    plans: () => told.splice(0).filter((message) => message.includes('plan:')),
    [Symbol.asyncDispose]: () => sql.end(),
  }
}
