import * as z from 'zod'
import { nearest } from './nearest.ts'

const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off']))
  .transform((value) => ['true', '1', 'yes', 'on'].includes(value))

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

const webUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })

type Setting = { schema: z.ZodType; about: string; isSecret?: true }

/** Every setting: its schema with the default, and its description in the documentation. */
export const SETTINGS = {
  DATABASE_URL: {
    schema: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' }).optional(),
    isSecret: true,
    about:
      'The PostgreSQL database, as postgres://user:password@host:5432/database. If unset, an embedded PostgreSQL is started, with its data in .local/postgres.',
  },
  DATABASE_POOL_SIZE: {
    schema: whole(1, 1000).default(10),
    about:
      'Maximum number of connections for the requests of one process. Its scheduler may open the same number again (at most 9), plus seven. Under serverless offline, it is always 1 per worker.',
  },
  HOST: {
    schema: z.string().optional(),
    about:
      'Address to listen on. If unset, 0.0.0.0. Without API_KEY, this setting is ignored, and the API listens only on 127.0.0.1.',
  },
  PORT: { schema: whole(0, 65_535).default(8000), about: 'Port of the API. 0 picks any free port.' },
  API_KEY: {
    schema: z
      .string()
      .regex(
        /^[!-~]([ -~]*[!-~])?$/,
        'must be printable ASCII without leading or trailing spaces, because it is sent in a header',
      )
      .optional(),
    isSecret: true,
    about:
      'If set, every route except /, /healthz, /readyz, /docs and /openapi.json requires it in the header x-api-key.',
  },
  SCHEDULER_ENABLE: {
    schema: flag.default(true),
    about: 'Whether this process ticks and runs tasks. If false, it only serves the API.',
  },
  TICK_INTERVAL_MS: {
    schema: whole(50, 60_000).default(1000),
    about: 'Milliseconds between ticks, 50 to 60000.',
  },
  CLAIM_AHEAD_MS: {
    schema: whole(0, 60_000).optional(),
    about:
      'How far ahead a tick claims, in milliseconds: 0 to 60000, and less than the lease. If unset, TICK_INTERVAL_MS, but at least 1000 and at most half the lease.',
  },
  LEASE_SECONDS: {
    schema: whole(1, 3600).default(15),
    about: "Seconds without a heartbeat after which a process's executions count as lost, 1 to 3600.",
  },
  MAX_CONCURRENT_EXECUTIONS: {
    schema: whole(1, 100_000).default(64),
    about:
      'Slots: the maximum number of executions that may run at once in one process. On Lambda and under serverless offline, the limit applies to all functions together.',
  },
  MAX_CLAIMED_EXECUTIONS: {
    schema: whole(1, 1_000_000).default(10_000),
    about:
      'Maximum number of executions that one process may hold, running or claimed ahead. Not used on Lambda or under serverless offline.',
  },
  SHUTDOWN_GRACE_SECONDS: {
    schema: whole(0, 3600).default(10),
    about: 'Seconds that running executions get to finish at shutdown, 0 to 3600.',
  },
  DEFAULT_TASK_TIMEOUT_SECONDS: {
    schema: z.coerce.number().positive().max(86_400).default(30),
    about: 'Timeout, in seconds, for tasks without timeout_seconds. Above 0, at most 86400.',
  },
  HTTP_TASK_URL: {
    schema: webUrl.default('https://httpbin.org/status/200'),
    isSecret: true,
    about: 'URL that http tasks without params.url call.',
  },
  EXECUTE_FUNCTION_NAME: {
    schema: z.string().min(1).optional(),
    about:
      'Name of the Lambda function that runs claimed executions. serverless.yml sets it; npm start ignores it.',
  },
  LOG_LEVEL: {
    schema: z
      .string()
      .transform((value) => value.toUpperCase())
      .pipe(z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT']))
      .default('INFO'),
    about: 'Minimum level of log lines: DEBUG, INFO, WARN, ERROR, CRITICAL or SILENT.',
  },
  LOG_JSON: {
    schema: flag.default(true),
    about: 'Whether log lines are JSON objects. If false, they are human-readable text.',
  },
  SQL_ECHO: {
    schema: flag.default(false),
    about: 'Whether to log the text of every SQL statement, without its values.',
  },
} as const satisfies Record<string, Setting>

type Settings = typeof SETTINGS

/** The cast restores what `Object.entries` loses: which key has which schema. */
export const environment = z.object(
  Object.fromEntries(Object.entries(SETTINGS).map(([name, { schema }]) => [name, schema])) as {
    [Name in keyof Settings]: Settings[Name]['schema']
  },
)

/**
 * Returns the environment variables that look like misspelled settings, each with the setting that was probably meant.
 */
export function misspelledSettings(
  env: Record<string, string | undefined>,
): { name: string; meant: string }[] {
  const known = Object.keys(SETTINGS)
  // HOST and PORT resemble other programs' variables.
  const long = known.filter((name) => name.length > 5)
  return Object.keys(env)
    .filter((name) => !known.includes(name))
    .flatMap((name) => {
      const meant = nearest(name.toUpperCase(), long)
      return meant === undefined ? [] : [{ name, meant }]
    })
}

/** Without an API key, anyone who can reach the port could create tasks, so only this machine may reach it. */
const LOOPBACK = '127.0.0.1'

export type Config = ReturnType<typeof readConfig>

let current: Config | undefined

/** Returns this process's settings, which are read from its environment once. */
export function config(): Config {
  current ??= readConfig(process.env)
  return current
}

/**
 * Reads the settings from an environment. An empty value counts as unset, as in Docker Compose. Throws a single Error
 * that names every invalid setting and says what is wrong with it.
 */
export function readConfig(env: Record<string, string | undefined>) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = environment.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path: [name], message }) => {
      const setting: Setting = SETTINGS[name as keyof Settings]
      const value = setting.isSecret ? '' : ` (got ${JSON.stringify(given[String(name)])})`
      return `${String(name)}: ${message}${value}`
    })
    throw new Error(`invalid configuration: ${problems.join('; ')}`)
  }
  const values = parsed.data
  const leaseMs = values.LEASE_SECONDS * 1000
  const claimAheadMs = values.CLAIM_AHEAD_MS ?? Math.min(Math.max(1000, values.TICK_INTERVAL_MS), leaseMs / 2)
  if (claimAheadMs >= leaseMs) {
    throw new Error(
      `invalid configuration: CLAIM_AHEAD_MS: must be less than LEASE_SECONDS (got ${claimAheadMs} ms)`,
    )
  }
  return Object.freeze({
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    host: values.API_KEY ? (values.HOST ?? '0.0.0.0') : LOOPBACK,
    port: values.PORT,
    apiKey: values.API_KEY,
    schedulerEnabled: values.SCHEDULER_ENABLE,
    tickIntervalMs: values.TICK_INTERVAL_MS,
    claimAheadMs,
    leaseSeconds: values.LEASE_SECONDS,
    maxConcurrentExecutions: values.MAX_CONCURRENT_EXECUTIONS,
    maxClaimedExecutions: values.MAX_CLAIMED_EXECUTIONS,
    shutdownGraceSeconds: values.SHUTDOWN_GRACE_SECONDS,
    defaultTaskTimeoutSeconds: values.DEFAULT_TASK_TIMEOUT_SECONDS,
    httpTaskUrl: values.HTTP_TASK_URL,
    executeFunctionName: values.EXECUTE_FUNCTION_NAME,
    logLevel: values.LOG_LEVEL,
    logJson: values.LOG_JSON,
    sqlEcho: values.SQL_ECHO,
  })
}
