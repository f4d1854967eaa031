import * as z from 'zod'

const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off']))
  .transform((value) => ['true', '1', 'yes', 'on'].includes(value))

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

const webUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })

/** Every key, with its check and its default. */
export const environment = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' }).optional(),
  DATABASE_POOL_SIZE: whole(1, 1000).default(10),
  HOST: z.string().optional(),
  PORT: whole(0, 65_535).default(8000),
  API_KEY: z.string().min(1).optional(),
  SCHEDULER_ENABLE: flag.default(true),
  TICK_INTERVAL_MS: whole(50, 60_000).default(1000),
  CLAIM_AHEAD_MS: whole(0, 60_000).optional(),
  LEASE_SECONDS: whole(1, 3600).default(15),
  MAX_CONCURRENT_EXECUTIONS: whole(1, 100_000).default(64),
  MAX_CLAIMED_EXECUTIONS: whole(1, 1_000_000).default(10_000),
  SHUTDOWN_GRACE_SECONDS: whole(0, 3600).default(10),
  DEFAULT_TASK_TIMEOUT_SECONDS: z.coerce.number().positive().max(86_400).default(30),
  HTTP_TASK_URL: webUrl.default('https://httpbin.org/status/200'),
  EXECUTE_FUNCTION_NAME: z.string().min(1).optional(),
  LOG_LEVEL: z
    .string()
    .transform((value) => value.toUpperCase())
    .pipe(z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT']))
    .default('INFO'),
  LOG_JSON: flag.default(true),
  SQL_ECHO: flag.default(false),
})

/** Without a key anyone who reaches the port may create tasks: then only this machine may. */
const LOOPBACK = '127.0.0.1'

export type Config = ReturnType<typeof readConfig>

let current: Config | undefined

/** This process' settings, read from its environment at the first call, and the same from then on. */
export function config(): Config {
  current ??= readConfig(process.env)
  return current
}

/**
 * The settings, read from an environment. An empty value counts as unset, as it does in docker compose.
 * Throws one Error that names every key with a bad value, and why.
 */
export function readConfig(env: Record<string, string | undefined>) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = environment.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`bad configuration: ${problems.join('; ')}`)
  }
  const values = parsed.data
  const leaseMs = values.LEASE_SECONDS * 1000
  const claimAheadMs = values.CLAIM_AHEAD_MS ?? Math.min(Math.max(1000, values.TICK_INTERVAL_MS), leaseMs / 2)
  if (claimAheadMs >= leaseMs) {
    throw new Error(`bad configuration: CLAIM_AHEAD_MS: ${claimAheadMs} ms is no less than LEASE_SECONDS`)
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
