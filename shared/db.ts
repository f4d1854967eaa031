import postgres, { type ISql, type Sql } from 'postgres'
import { config } from './config.ts'
import { logger } from './logger.ts'

/** Ids are bigint in the database; 2^53 of them are enough for a number. */
const bigint = { to: 20, from: [20], parse: Number, serialize: String }

/** Element by element in double quotes, which every element type reads (PostgreSQL manual, 8.15.6). */
const serializeArray = (array: unknown[]): string =>
  `{${array.map((it) => (it === null ? 'NULL' : `"${String(it).replaceAll(/["\\]/g, '\\$&')}"`)).join(',')}}`

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

const RECONNECT_SECONDS = 0.2

/**
 * Milliseconds. A process that is stopped, or whose machine has gone without a word, would otherwise keep what its transaction
 * has locked for hours: nobody claims those tasks then. The longer one also ends a statement that was cut off on its way.
 */
const SERVER_TIMEOUTS = { idle_in_transaction_session_timeout: 10_000, statement_timeout: 30_000 }

/** Opens a pool. Connections are made at the first query, and closed after 20 idle seconds. */
export function connect(url: string, options: { max: number; echo?: boolean }): Database {
  return postgres(url, {
    max: options.max,
    idle_timeout: 20,
    connect_timeout: 10,
    // Left to itself it grows to 20 s a connection: longer than a lease, and than a request may take. None after an idle one was closed:
    // a frozen function does that when it wakes, and its caller waits.
    backoff: (failures) => (failures === 0 ? 0 : RECONNECT_SECONDS),
    fetch_types: false,
    types: { bigint, ...arrays },
    connection: { application_name: 'task-scheduler', TimeZone: 'UTC', ...SERVER_TIMEOUTS },
    onnotice: (notice) => logger.debug('notice', { notice: notice.message }),
    ...(options.echo && { debug: (_connection: number, query: string) => logger.info('sql', { query }) }),
  })
}

let pool: Database | undefined

/** This process' pool on DATABASE_URL. */
export function db(): Database {
  const { databaseUrl, databasePoolSize, sqlEcho } = config()
  if (!databaseUrl) throw new Error('DATABASE_URL is not set')
  pool ??= connect(databaseUrl, { max: databasePoolSize, echo: sqlEcho })
  return pool
}

/** True when a statement failed because the database could not be reached, so that trying again may help. */
export function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return UNREACHABLE.test(code)
}

/** postgres.js and socket errors, and the classes 08 (connection), 53 (resources) and 57P (shutdown) of SQLSTATE, and our own SERVER_TIMEOUTS. */
const UNREACHABLE =
  /^(CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONN(REFUSED|RESET)|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|08\w{3}|53\w{3}|57P\w\w|57014|25P03)$/

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

/** The time, by the only clock that decides: the database's. */
export async function readClock(sql: Queryable): Promise<Date> {
  const [row] = await sql<[{ now: Date }]>`select now()`
  return row.now
}
