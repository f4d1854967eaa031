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

/** Every setting: how it is checked, its default, and what the documentation says of it. */
export const SETTINGS = {
  DATABASE_URL: {
    schema: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' }).optional(),
    isSecret: true,
    about:
      'PostgreSQL, as postgres://user:password@host:5432/database. Unset: an embedded one, with its data in .local/postgres',
  },
  DATABASE_POOL_SIZE: {
    schema: whole(1, 1000).default(10),
    about:
      'Connections for the requests of one process. Its scheduler has as many more, at most 9, plus three. Always 1 per worker under serverless offline',
  },
  HOST: {
    schema: z.string().optional(),
    about:
      'Address to listen on. Unset: 0.0.0.0. Without API_KEY it is ignored, and the API listens on 127.0.0.1 only',
  },
  PORT: { schema: whole(0, 65_535).default(8000), about: 'Port of the API. 0 takes any free one' },
  API_KEY: {
    schema: z
      .string()
      .regex(
        /^[!-~]([ -~]*[!-~])?$/,
        'must be printable ASCII without spaces at its ends, as it travels in a header',
      )
      .optional(),
    isSecret: true,
    about:
      'If set, every route but /, /healthz, /readyz, /docs and /openapi.json requires it in the header x-api-key',
  },
  SCHEDULER_ENABLE: {
    schema: flag.default(true),
    about: 'Whether this process ticks and runs tasks. With false it serves the API only',
  },
  TICK_INTERVAL_MS: {
    schema: whole(50, 60_000).default(1000),
    about: 'Milliseconds between ticks, 50 to 60000',
  },
  CLAIM_AHEAD_MS: {
    schema: whole(0, 60_000).optional(),
    about:
      'How many milliseconds ahead a tick claims, 0 to 60000; less than the lease. Unset: TICK_INTERVAL_MS, at least 1000, at most half a lease',
  },
  LEASE_SECONDS: {
    schema: whole(1, 3600).default(15),
    about: 'After so many seconds of silence the executions of a process count as lost, 1 to 3600',
  },
  MAX_CONCURRENT_EXECUTIONS: {
    schema: whole(1, 100_000).default(64),
    about:
      'Slots: how many executions run at once, in one process, or on Lambda and under serverless offline in all',
  },
  MAX_CLAIMED_EXECUTIONS: {
    schema: whole(1, 1_000_000).default(10_000),
    about:
      'How many executions one process holds, running or claimed ahead. Not used on Lambda and under serverless offline',
  },
  SHUTDOWN_GRACE_SECONDS: {
    schema: whole(0, 3600).default(10),
    about: 'How many seconds running executions get to finish at a shutdown, 0 to 3600',
  },
  DEFAULT_TASK_TIMEOUT_SECONDS: {
    schema: z.coerce.number().positive().max(86_400).default(30),
    about: 'Timeout of a task that has no timeout_seconds; above 0, at most 86400',
  },
  HTTP_TASK_URL: {
    schema: webUrl.default('https://httpbin.org/status/200'),
    isSecret: true,
    about: 'What an http task without params.url calls',
  },
  EXECUTE_FUNCTION_NAME: {
    schema: z.string().min(1).optional(),
    about:
      'Name of the Lambda function that runs what a tick claims. serverless.yml sets it; npm start ignores it',
  },
  LOG_LEVEL: {
    schema: z
      .string()
      .transform((value) => value.toUpperCase())
      .pipe(z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT']))
      .default('INFO'),
    about: 'DEBUG, INFO, WARN, ERROR, CRITICAL or SILENT',
  },
  LOG_JSON: { schema: flag.default(true), about: 'One JSON object per line. With false, lines for people' },
  SQL_ECHO: {
    schema: flag.default(false),
    about: 'Logs the text of every SQL statement, without its values',
  },
} as const satisfies Record<string, Setting>

type Settings = typeof SETTINGS

/** The cast says what `Object.entries` loses: each key has the schema of its own setting. */
export const environment = z.object(
  Object.fromEntries(Object.entries(SETTINGS).map(([name, { schema }]) => [name, schema])) as {
    [Name in keyof Settings]: Settings[Name]['schema']
  },
)

/**
 * Returns the variables of an environment that look like misspelt settings, each with the name that it probably means.
 */
export function misspeltSettings(env: Record<string, string | undefined>): { name: string; meant: string }[] {
  const known = Object.keys(SETTINGS)
  // HOST and PORT are close to variables of other programs.
  const long = known.filter((name) => name.length > 5)
  return Object.keys(env)
    .filter((name) => !known.includes(name))
    .flatMap((name) => {
      const meant = nearest(name.toUpperCase(), long)
      return meant === undefined ? [] : [{ name, meant }]
    })
}

/** Without a key anyone who reaches the port could create tasks, so only this machine may. */
const LOOPBACK = '127.0.0.1'

export type Config = ReturnType<typeof readConfig>

let current: Config | undefined

/** Returns this process' settings. They are read from its environment once. */
export function config(): Config {
  current ??= readConfig(process.env)
  return current
}

/**
 * Reads the settings from an environment. An empty value counts as unset, as in Docker Compose. Throws one Error that
 * names every bad value and says what is wrong with it.
 */
export function readConfig(env: Record<string, string | undefined>) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = environment.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path: [name], message }) => {
      const setting: Setting = SETTINGS[name as keyof Settings]
      const value = setting.isSecret ? '' : `, not ${JSON.stringify(given[String(name)])}`
      return `${String(name)}: ${message}${value}`
    })
    throw new Error(`bad configuration: ${problems.join('; ')}`)
  }
  const values = parsed.data
  const leaseMs = values.LEASE_SECONDS * 1000
  const claimAheadMs = values.CLAIM_AHEAD_MS ?? Math.min(Math.max(1000, values.TICK_INTERVAL_MS), leaseMs / 2)
  if (claimAheadMs >= leaseMs) {
    throw new Error(`bad configuration: CLAIM_AHEAD_MS: ${claimAheadMs} ms must be less than LEASE_SECONDS`)
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
