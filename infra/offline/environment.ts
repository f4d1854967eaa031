/** The settings that are passed on to functions. Each function has its own worker, with a separate environment. */
const PASSED_ON = [
  'API_KEY',
  'TICK_INTERVAL_MS',
  'CLAIM_AHEAD_MS',
  'LEASE_SECONDS',
  'MAX_CONCURRENT_EXECUTIONS',
  'DEFAULT_TASK_TIMEOUT_SECONDS',
  'HTTP_TASK_URL',
  'LOG_LEVEL',
  'LOG_JSON',
  'SQL_ECHO',
]

type Environment = Record<string, string | undefined>

/**
 * Removes all AWS_ variables, since serverless-offline would pass them to its workers. The workers don't need a real
 * profile or key, and AWS_LAMBDA_MAX_CONCURRENCY would make every Powertools call throw.
 */
export function forgetAws(env: Environment): void {
  for (const key of Object.keys(env)) if (key.startsWith('AWS_')) delete env[key]
}

/** Returns the functions' environment. A worker runs one invocation at a time, so one connection is enough. */
export function functionEnvironment(env: Environment, databaseUrl: string, lambdaUrl: string): Environment {
  return {
    ...Object.fromEntries(PASSED_ON.filter((key) => env[key]).map((key) => [key, env[key]])),
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '1',
    AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
    AWS_ACCESS_KEY_ID: 'offline',
    AWS_SECRET_ACCESS_KEY: 'offline',
  }
}
