import postgres, { type ISql, type Sql } from 'postgres'
import { config } from './config.ts'
import { logger } from './logger.ts'

/** Ids are bigint in the database. Numbers are exact up to 2^53, which is enough. */
const bigint = { to: 20, from: [20], parse: Number, serialize: String }

/**
 * Returns an array literal (PostgreSQL manual, 8.15.6). It is the same as JSON, except for the brackets and for control
 * characters, which JSON escapes and an array literal doesn't.
 */
function serializeArray(array: unknown[]): string {
  const json = JSON.stringify(array)
  return `{${JSON_ESCAPE.test(json) ? array.map(serializeElement).join(',') : json.slice(1, -1)}}`
}

/** Matches a JSON escape of any character other than a quote or a backslash. */
const JSON_ESCAPE = /\\[^"\\]/

const serializeElement = (it: unknown): unknown =>
  typeof it === 'string' ? `"${it.replaceAll(/["\\]/g, '\\$&')}"` : (it ?? 'NULL')

/** int4[], text[], int8[], float8[], timestamptz[] and uuid[]: the types of array parameters. */
const ARRAY_OIDS = [1007, 1009, 1016, 1022, 1185, 2951]

/**
 * Defined here because postgres.js would otherwise query the array types each time it connects. If that query is cut
 * off, the process dies from an unhandled rejection.
 */
const arrays = Object.fromEntries(
  ARRAY_OIDS.map((oid) => [`array_${oid}`, { to: oid, from: [], serialize: serializeArray, parse: String }]),
)

type Types = { bigint: number }
/** A pool, which can open transactions. */
export type Database = Sql<Types>
/** A pool or a transaction, for functions that only run statements. */
export type Queryable = ISql<Types>
/** A fragment of a statement. */
export type Fragment = postgres.Fragment

/**
 * Returns a fragment that is created once and reused. Use it for fragments without values, in statements that run
 * thousands of times a second, because the driver creates a promise for each new fragment.
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
  /**
   * A connection counts as dead if it is silent for this long while a response is pending, or if opening it takes
   * longer than this.
   */
  silenceMs: number
  /**
   * The server cancels statements that take longer than this. It is less than `silenceMs`, so that a slow statement
   * isn't mistaken for a dead server.
   */
  statementMs: number
  /** The server cancels statements that wait for a lock for longer than this. */
  lockMs: number
}

const LEAST_SILENCE_MS = 1000
const MOST_SILENCE_MS = 6000

/**
 * Returns limits that leave time to repeat a failed statement once, well before the lease expires, if the lease is 5
 * seconds or longer.
 */
export function limitsOf(leaseSeconds: number): Limits {
  const silenceMs = Math.min(MOST_SILENCE_MS, Math.max(LEAST_SILENCE_MS, leaseSeconds * 200))
  return { silenceMs, statementMs: silenceMs * 0.75, lockMs: silenceMs * 0.5 }
}

const MINUTE_MS = 60_000

/** Limits for work that takes minutes: migrations. */
export const LONG_LIMITS: Limits = {
  silenceMs: 61 * MINUTE_MS,
  statementMs: 60 * MINUTE_MS,
  lockMs: 10 * MINUTE_MS,
}

/**
 * Maximum time that a transaction may be idle, in milliseconds. Without this limit, the transaction of a suspended
 * process or of a vanished machine could keep its locks for hours, and no worker could claim the locked tasks.
 */
const MOST_IDLE_MS = 10_000

/**
 * The server's own limits. The TCP settings make the server close a connection if its client hasn't responded to
 * keepalive probes or acknowledged data for 60 seconds.
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
 * Settings that affect the text form of values or the meaning of statements. They are set explicitly, since the server,
 * the database or the role may be configured with other values. `search_path` is left unchanged.
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
 * Every query that a request runs can use an index. Without these settings, a plan made while a table was empty would
 * keep scanning the whole table until the statistics catch up, and JIT compilation would take longer than the
 * statements themselves.
 */
const SHORT_READS = { enable_seqscan: 'off', jit: 'off' }

/**
 * For statements that look up a set of rows by key. The server plans them for the parameters of each call. A plan that
 * was cached when a table was nearly empty would keep scanning the whole table until the statistics catch up, which
 * takes a minute under full load. Most rows are in memory, so reading a random page costs little more than reading the
 * next one.
 */
const SETS = {
  plan_cache_mode: 'force_custom_plan',
  random_page_cost: '1.1',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
}

/**
 * For statements on sets of at most `SMALL_SET` rows (set-pools.ts). Planning such a statement takes as long as
 * executing it, so the server plans it once per connection. The statement must find its rows with `= any(…)` on a key,
 * so that no plan, not even one for an empty table, can read a whole table.
 */
const SMALL_SETS = { ...SETS, plan_cache_mode: 'force_generic_plan' }

/**
 * Idle connections close after this many seconds. The scheduler's stay open for more than a minute, since bursts often
 * come on the minute.
 */
const IDLE_SECONDS = 20
const SCHEDULER_IDLE_SECONDS = 90

export type PoolOptions = {
  /** Maximum number of connections. */
  max: number
  /** Appended to `task-scheduler` in the application name, which pg_stat_activity shows. */
  name?: string
  echo?: boolean
  /** Set if the statements work on sets of rows. */
  sets?: 'any' | 'small'
  /** Default: the limits for a lease of 15 seconds. */
  limits?: Limits
}

/**
 * Opens a pool. Connections are opened when they are needed, and closed after being idle for a while. A query is
 * rejected with ETIMEDOUT if its connection is silent for too long, or if no connection becomes free in time. The
 * server may have executed the query anyway, or may still do so until its own limit cancels the query.
 */
export function connect(url: string, options: PoolOptions): Database {
  const limits = options.limits ?? limitsOf(15)
  // The driver's type doesn't include the options that our patch adds. Requests use all connections in turn: with
  // `latest_first`, 14% fewer requests were served per second.
  const patched: object = {
    silence_timeout: limits.silenceMs / 1000,
    latest_first: options.sets !== undefined,
  }
  const sql = postgres(url, {
    ...patched,
    max: options.max,
    idle_timeout: options.sets ? SCHEDULER_IDLE_SECONDS : IDLE_SECONDS,
    connect_timeout: Math.min(10, limits.silenceMs / 1000),
    // By default, the driver waits longer and longer before it reopens a connection, up to 20 s. That is longer than a
    // lease, and longer than a request may take. After an idle connection has been closed, there is no delay: a frozen
    // Lambda function only notices the closed connection when it wakes up, and by then its caller is waiting.
    backoff: (failures) => (failures === 0 ? 0 : RECONNECT_SECONDS),
    fetch_types: false,
    types: { bigint, ...arrays },
    connection: {
      application_name: options.name ? `task-scheduler ${options.name}` : 'task-scheduler',
      // The driver's type declares some of these settings as booleans, but the driver omits settings that are false.
      ...(MEANING as object),
      ...serverSettings(limits),
      ...SHORT_READS,
      ...(options.sets && (options.sets === 'small' ? SMALL_SETS : SETS)),
    },
    onnotice: (notice) => logger.debug('notice', { notice: notice.message }),
    ...(options.echo && { debug: (_connection: number, query: string) => logger.info('sql', { query }) }),
  })
  requirePatch(sql)
  return sql
}

/**
 * Throws if postgres.js isn't patched, for example after `npm ci --ignore-scripts`. Called for every pool, and before
 * the functions are packaged.
 */
export function requirePatch({ options }: { options: object } = postgres()): void {
  if ('silence_timeout' in options && 'latest_first' in options) return
  throw new Error(
    'postgres.js is not patched, so dead connections would hang: run `node infra/patches/postgres.mjs`',
  )
}

/** Three connections for claiming, three for settling and three for starting executions. */
const SCHEDULER_CONNECTIONS = 9

/** For small sets: three connections for starting and one for settling executions. */
const SMALL_SET_CONNECTIONS = 4

/**
 * Opens all connections of a pool, so that its first statements don't wait for a connection to open. A failure isn't
 * reported, since the next statement on the pool would fail too.
 */
export async function openConnections(sql: Database): Promise<void> {
  await Promise.allSettled(Array.from({ length: sql.options.max }, () => sql`select`))
}

const pools = new Map<string, Database>()

/** Returns this process's pool for requests. */
export const db = (): Database => poolOf('requests', { max: config().databasePoolSize })

/** Returns the pool for the tick and the executor, so that they never wait behind requests. */
export const schedulerDb = (): Database =>
  poolOf('scheduler', { max: Math.min(config().databasePoolSize, SCHEDULER_CONNECTIONS), sets: 'any' })

/**
 * Returns the pool for statements on small sets of rows (`SMALL_SET`). On Lambda and under serverless offline, it
 * returns the scheduler's pool instead, since otherwise every concurrent invocation would open more connections.
 */
export const smallSetsDb = (): Database =>
  config().executeFunctionName
    ? schedulerDb()
    : poolOf('small', { max: SMALL_SET_CONNECTIONS, sets: 'small' })

/**
 * Returns the heartbeat's own connection, so that a heartbeat never waits behind another statement. On Lambda and under
 * serverless offline, it returns the scheduler's pool instead, since otherwise every concurrent invocation would open
 * one more connection.
 */
export const heartbeatDb = (): Database =>
  config().executeFunctionName ? schedulerDb() : poolOf('heartbeat', { max: 1, sets: 'any' })

export const PROBE_LIMITS: Limits = { silenceMs: 1000, statementMs: 750, lockMs: 500 }

/**
 * Returns the pool for health checks and metrics, which succeed or fail within about a second. A process reads its
 * metrics once at a time, so a slow read leaves a connection to the health checks.
 */
export const probeDb = (): Database => poolOf('probe', { max: 2, limits: PROBE_LIMITS })

/** Returns a connection for work that takes minutes: migrations. */
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

/** Closes this process's pools. Statements that are still running after `seconds` are cut off. */
export async function closeDatabase(seconds: number): Promise<void> {
  await Promise.all([...pools.values()].map((pool) => pool.end({ timeout: seconds })))
}

/**
 * Joins the conditions with `and`. Conditions that are `false` are left out, since a plan that includes them couldn't
 * use an index.
 */
export function allOf(sql: Queryable, conditions: (Fragment | false)[]): Fragment {
  return conditions
    .filter((it) => it !== false)
    .reduce((all, condition) => sql`${all} and ${condition}`, sql`true`)
}

/**
 * Returns an SQL expression for the approximate length of a jsonb column as text, in bytes. A compressed value's stored
 * size says nothing about its length as text, so compressed values are read in full.
 */
export const textBytes = (sql: Queryable, column: Fragment): Fragment => sql`
  case
    when pg_column_compression(${column}) is null then pg_column_size(${column})
    else octet_length(${column}::text)
  end`

/**
 * Returns an SQL expression for the length of a text column as a JSON string, in bytes. A control character takes six
 * bytes there.
 */
export const jsonBytes = (sql: Queryable, column: Fragment): Fragment => sql`
  octet_length(to_json(${column})::text)`

/**
 * Returns the values for a column of `unnest`, or null if all of them are null. Given null, `unnest` fills the column
 * with nulls. An array of nulls would cost time in the client and in the server.
 */
export const sparse = <Value>(values: (Value | null)[]): (Value | null)[] | null =>
  values.every((it) => it === null) ? null : values

/**
 * Returns whether a statement failed because the database couldn't be reached or couldn't serve it at the time. A retry
 * may succeed.
 */
export function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return UNREACHABLE.test(code)
}

/**
 * Error codes from postgres.js and from sockets, the SQLSTATE classes 08 (connection), 53 (resources) and 57P
 * (shutdown), and the SQLSTATEs for the limits set above, for a server that has just become a replica, and for
 * serialization failures.
 */
const UNREACHABLE =
  /^(CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONN(REFUSED|RESET)|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|08\w{3}|53\w{3}|57P\w\w|57014|25P03|25006|40001|55P03)$/

/** Returns whether a statement failed because its connection is lost, or never was: not only the statement ended. */
export function isConnectionLost(error: unknown): boolean {
  return isUnreachable(error) && !(error instanceof postgres.PostgresError && error.severity === 'ERROR')
}

/** Returns whether the server cancelled a statement because it took too long. A smaller statement may succeed. */
export function wasTooSlow(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === '57014'
}

/** Returns whether the server cancelled a statement because another transaction held a lock for too long. */
export function wasLockedOut(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === '55P03'
}

/** Returns what callers are told about an error for which `isUnreachable` is true. */
export function whyUnavailable(error: unknown): string {
  if (wasLockedOut(error)) return 'another transaction holds a lock for too long'
  return wasTooSlow(error) ? 'the database takes too long' : 'the database cannot be reached'
}

/** Returns whether a row couldn't be written because the row that it refers to doesn't exist. */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof postgres.PostgresError && error.code === '23503'
}

const DEADLOCK = '40P01'
const DEADLOCK_TRIES = 5

/**
 * Runs a transaction, and repeats it if PostgreSQL aborts it to break a deadlock. The abort lets the other transaction
 * proceed.
 */
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
