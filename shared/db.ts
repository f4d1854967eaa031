import postgres, { type ISql, type Sql } from 'postgres'
import { config } from './config.ts'
import { logger } from './logger.ts'

/** Ids are bigint in the database; 2^53 of them are enough for a number. */
const bigint = { to: 20, from: [20], parse: Number, serialize: String }

/**
 * An array literal (PostgreSQL manual, 8.15.6): what JSON writes, but for the brackets and its escapes of control characters, which a
 * literal takes as they are.
 */
function serializeArray(array: unknown[]): string {
  const json = JSON.stringify(array)
  return `{${JSON_ESCAPE.test(json) ? array.map(serializeElement).join(',') : json.slice(1, -1)}}`
}

/** Of anything but quotes and backslashes. */
const JSON_ESCAPE = /\\[^"\\]/

const serializeElement = (it: unknown): unknown =>
  typeof it === 'string' ? `"${it.replaceAll(/["\\]/g, '\\$&')}"` : (it ?? 'NULL')

/** int4[], text[], int8[], float8[], timestamptz[] and uuid[]: the ones that parameters use. */
const ARRAY_OIDS = [1007, 1009, 1016, 1022, 1185, 2951]

/** postgres.js would ask the server for these at each connect, and dies with an unhandled rejection if that is cut off. */
const arrays = Object.fromEntries(
  ARRAY_OIDS.map((oid) => [`array_${oid}`, { to: oid, from: [], serialize: serializeArray, parse: String }]),
)

type Types = { bigint: number }
/** The pool: what opens transactions. */
export type Database = Sql<Types>
/** The pool or a transaction: what a function that only runs statements takes. */
export type Queryable = ISql<Types>
/** A part of a statement. */
export type Fragment = postgres.Fragment

const RECONNECT_SECONDS = 0.2

/**
 * Milliseconds. A process that is stopped, or whose machine has gone without a word, would otherwise keep what its transaction
 * has locked for hours: nobody claims those tasks then. The longer one also ends a statement that was cut off on its way.
 */
const SERVER_TIMEOUTS = { idle_in_transaction_session_timeout: 10_000, statement_timeout: 30_000 }

/**
 * Everything asked for has an index: a plan that was kept from when a table was empty would read it whole until its statistics catch up. And it
 * is done sooner than compiled.
 */
const SHORT_READS = { enable_seqscan: 'off', jit: 'off' }

/**
 * For statements over sets, in which each row is looked up by its key. A plan is made for each one's own parameters: one that was kept from when a table was nearly empty
 * would scan it whole until statistics catch up, which at full speed is a minute. Rows are looked up in memory, mostly, so a random
 * page costs little more than the next one.
 */
const PLANNER = {
  plan_cache_mode: 'force_custom_plan',
  random_page_cost: '1.1',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
}

/** Opens a pool. Connections are made at the first query, and closed after 20 idle seconds. */
export function connect(url: string, options: { max: number; echo?: boolean; forSets?: boolean }): Database {
  return postgres(url, {
    max: options.max,
    idle_timeout: 20,
    connect_timeout: 10,
    // Left to itself it grows to 20 s a connection: longer than a lease, and than a request may take. None after an idle one was closed:
    // a frozen function does that when it wakes, and its caller waits.
    backoff: (failures) => (failures === 0 ? 0 : RECONNECT_SECONDS),
    fetch_types: false,
    types: { bigint, ...arrays },
    connection: {
      application_name: 'task-scheduler',
      TimeZone: 'UTC',
      ...SERVER_TIMEOUTS,
      ...SHORT_READS,
      ...(options.forSets && PLANNER),
    },
    onnotice: (notice) => logger.debug('notice', { notice: notice.message }),
    ...(options.echo && { debug: (_connection: number, query: string) => logger.info('sql', { query }) }),
  })
}

/** Three that claim, three that settle, three that start, and the heartbeat. */
const SCHEDULER_CONNECTIONS = 10

let pool: Database | undefined

/** This process' pool on DATABASE_URL. */
export function db(): Database {
  pool ??= open(false)
  return pool
}

let schedulerPool: Database | undefined

/** Connections of the tick and the executor: however many requests come, they wait for none of them. */
export function schedulerDb(): Database {
  schedulerPool ??= open(true)
  return schedulerPool
}

function open(forSets: boolean): Database {
  const { databaseUrl, databasePoolSize, sqlEcho } = config()
  if (!databaseUrl) throw new Error('DATABASE_URL is not set')
  const max = forSets ? Math.min(databasePoolSize, SCHEDULER_CONNECTIONS) : databasePoolSize
  return connect(databaseUrl, { max, echo: sqlEcho, forSets })
}

/** Closes this process' pools, with what runs in them after so many seconds. */
export async function closeDatabase(seconds: number): Promise<void> {
  await Promise.all([pool?.end({ timeout: seconds }), schedulerPool?.end({ timeout: seconds })])
}

/** All of the conditions that aren't false. What wasn't asked for is left out: a plan that keeps it could use no index. */
export function allOf(sql: Queryable, conditions: (Fragment | false)[]): Fragment {
  return conditions
    .filter((it) => it !== false)
    .reduce((all, condition) => sql`${all} and ${condition}`, sql`true`)
}

/** True when a statement failed because the database could not be reached, so that trying again may help. */
export function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return UNREACHABLE.test(code)
}

/** postgres.js and socket errors, and the classes 08 (connection), 53 (resources) and 57P (shutdown) of SQLSTATE, our own SERVER_TIMEOUTS, a server that has just become a replica, and what lost a race. */
const UNREACHABLE =
  /^(CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONN(REFUSED|RESET)|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|08\w{3}|53\w{3}|57P\w\w|57014|25P03|25006|40001|55P03)$/

/** True when the database ended a statement since it took too long: a smaller one may get through. */
export function wasTooSlow(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === '57014'
}

const DEADLOCK = '40P01'
const DEADLOCK_TRIES = 5

/** Does it again when PostgreSQL ended its transaction to break a deadlock: who was in the way has gone on by then. */
export async function retryDeadlock<T>(transaction: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await transaction()
    } catch (error) {
      const isDeadlock = error instanceof postgres.PostgresError && error.code === DEADLOCK
      if (!isDeadlock || tries === DEADLOCK_TRIES) throw error
    }
  }
}
