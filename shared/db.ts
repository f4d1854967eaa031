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

/**
 * Returns a part of a statement that is made once and used in many. For parts without values in statements that run a thousand
 * times a second: the driver makes a promise of each part.
 */
export function reusable(make: (sql: Queryable) => Fragment): (sql: Queryable) => Fragment {
  let made: Fragment | undefined
  return (sql) => {
    made ??= make(sql)
    return made
  }
}

const RECONNECT_SECONDS = 0.2

/** How long this process and the server wait for each other, in milliseconds. */
export type Limits = {
  /** A connection that owes an answer for so long is dead, and so is one that isn't made by then. */
  silenceMs: number
  /** The server ends a statement that takes longer: sooner, so that a slow statement is not taken for a dead server. */
  statementMs: number
  /** And one that waits for a lock for longer, which is sooner still. */
  lockMs: number
}

const LEAST_SILENCE_MS = 1000
const MOST_SILENCE_MS = 6000

/** Returns the limits of statements that must have ended, and been tried once more, well before a lease has. */
export function limitsOf(leaseSeconds: number): Limits {
  const silenceMs = Math.min(MOST_SILENCE_MS, Math.max(LEAST_SILENCE_MS, leaseSeconds * 200))
  return { silenceMs, statementMs: silenceMs * 0.75, lockMs: silenceMs * 0.5 }
}

const MINUTE_MS = 60_000

/** Those of work that nobody waits for with a lease or a request in hand: a migration. */
export const LONG_LIMITS: Limits = {
  silenceMs: 61 * MINUTE_MS,
  statementMs: 60 * MINUTE_MS,
  lockMs: 10 * MINUTE_MS,
}

/** A process that is stopped, or whose machine has gone without a word, would otherwise keep what its transaction has locked for hours: nobody claims those tasks then. */
const MOST_IDLE_MS = 10_000

/**
 * What the server does on its own side. The last ones end the connection of a client that has gone without a word: 60 seconds in which nothing
 * comes from it, or nothing that was sent to it is acknowledged.
 */
const serverSettings = ({ silenceMs, statementMs, lockMs }: Limits) => ({
  statement_timeout: Math.ceil(statementMs),
  lock_timeout: Math.ceil(lockMs),
  idle_in_transaction_session_timeout: Math.min(MOST_IDLE_MS, Math.ceil(silenceMs * 2)),
  tcp_keepalives_idle: 30,
  tcp_keepalives_interval: 10,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 60_000,
})

/**
 * What the text of a value, or the meaning of a statement, depends on: the server, the database and the role may each have set it to something
 * else. Where the tables are (`search_path`) is theirs to say.
 */
const MEANING = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
}

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

export type PoolOptions = {
  /** Connections at most. */
  max: number
  /** What pg_stat_activity shows of it after `task-scheduler`. */
  name?: string
  echo?: boolean
  /** For statements over sets. */
  forSets?: boolean
  /** Default: those of a lease of 15 seconds. */
  limits?: Limits
}

/**
 * Opens a pool. Connections are made at the first query, and closed after 20 idle seconds. A query whose connection is silent for
 * too long is rejected, as is one that finds none free (ETIMEDOUT); the server may have done it all the same, or may do it until its own limit.
 */
export function connect(url: string, options: PoolOptions): Database {
  const limits = options.limits ?? limitsOf(15)
  // Its type knows nothing of what our patch adds.
  const silence: object = { silence_timeout: limits.silenceMs / 1000 }
  const sql = postgres(url, {
    ...silence,
    max: options.max,
    idle_timeout: 20,
    connect_timeout: Math.min(10, limits.silenceMs / 1000),
    // Left to itself it grows to 20 s a connection: longer than a lease, and than a request may take. None after an idle one was closed:
    // a frozen function does that when it wakes, and its caller waits.
    backoff: (failures) => (failures === 0 ? 0 : RECONNECT_SECONDS),
    fetch_types: false,
    types: { bigint, ...arrays },
    connection: {
      application_name: options.name ? `task-scheduler ${options.name}` : 'task-scheduler',
      // The driver's type takes a boolean for some, and leaves out what is false.
      ...(MEANING as object),
      ...serverSettings(limits),
      ...SHORT_READS,
      ...(options.forSets && PLANNER),
    },
    onnotice: (notice) => logger.debug('notice', { notice: notice.message }),
    ...(options.echo && { debug: (_connection: number, query: string) => logger.info('sql', { query }) }),
  })
  if ('silence_timeout' in sql.options) return sql
  throw new Error(
    'postgres.js is not patched, so dead connections would hang: run `node infra/patches/postgres.mjs`',
  )
}

/** Three that claim, three that settle, and three that start. */
const SCHEDULER_CONNECTIONS = 9

const pools = new Map<string, Database>()

/** This process' pool on DATABASE_URL. */
export const db = (): Database => poolOf('requests', { max: config().databasePoolSize })

/** Connections of the tick and the executor: however many requests come, they wait for none of them. */
export const schedulerDb = (): Database =>
  poolOf('scheduler', { max: Math.min(config().databasePoolSize, SCHEDULER_CONNECTIONS), forSets: true })

/**
 * The heartbeat's connection: nothing is sent on it that an answer to a heartbeat would wait for. A function has none of its own: there are as many as there
 * are invocations.
 */
export const heartbeatDb = (): Database =>
  config().executeFunctionName ? schedulerDb() : poolOf('heartbeat', { max: 1, forSets: true })

export const PROBE_LIMITS: Limits = { silenceMs: 1000, statementMs: 750, lockMs: 500 }

/** A connection for questions about health: each is answered within a second or so, or not at all. */
export const probeDb = (): Database => poolOf('probe', { max: 1, limits: PROBE_LIMITS })

/** A connection for work that takes minutes: migrations. */
export const longDb = (): Database => poolOf('long', { max: 1, limits: LONG_LIMITS })

function poolOf(name: string, options: PoolOptions): Database {
  const known = pools.get(name)
  if (known) return known
  const { databaseUrl, sqlEcho, leaseSeconds } = config()
  if (!databaseUrl) throw new Error('DATABASE_URL is not set')
  const pool = connect(databaseUrl, { name, echo: sqlEcho, limits: limitsOf(leaseSeconds), ...options })
  pools.set(name, pool)
  return pool
}

/** Closes this process' pools, with what runs in them after so many seconds. */
export async function closeDatabase(seconds: number): Promise<void> {
  await Promise.all([...pools.values()].map((pool) => pool.end({ timeout: seconds })))
}

/** All of the conditions that aren't false. What wasn't asked for is left out: a plan that keeps it could use no index. */
export function allOf(sql: Queryable, conditions: (Fragment | false)[]): Fragment {
  return conditions
    .filter((it) => it !== false)
    .reduce((all, condition) => sql`${all} and ${condition}`, sql`true`)
}

/** How many bytes the text of a jsonb column has, or about: the size of a compressed value says nothing about it, so that is looked at. */
export const textBytes = (sql: Queryable, column: Fragment): Fragment => sql`
  case
    when pg_column_compression(${column}) is null then pg_column_size(${column})
    else octet_length(${column}::text)
  end`

/** True when a statement failed because the database could not be reached, so that trying again may help. */
export function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return UNREACHABLE.test(code)
}

/** postgres.js and socket errors, and the classes 08 (connection), 53 (resources) and 57P (shutdown) of SQLSTATE, our own limits, a server that has just become a replica, and what lost a race. */
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
