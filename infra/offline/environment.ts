import { settingsReadBy } from '../../shared/config.ts'

type Environment = Record<string, string | undefined>

/**
 * Removes all AWS_ variables, since serverless-offline would pass them to its workers. The workers don't need a real
 * profile or key, and AWS_LAMBDA_MAX_CONCURRENCY would make every Powertools call throw.
 */
export function forgetAws(env: Environment): void {
  for (const key of Object.keys(env)) if (key.startsWith('AWS_')) delete env[key]
}

/**
 * Returns the environment of the functions, with every setting that they read. Each function has its own worker, which
 * runs one invocation at a time, so one connection is enough.
 */
export function functionEnvironment(env: Environment, databaseUrl: string, lambdaUrl: string): Environment {
  const passedOn = settingsReadBy('functions').filter((key) => env[key])
  return {
    ...Object.fromEntries(passedOn.map((key) => [key, env[key]])),
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '1',
    AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
    AWS_ACCESS_KEY_ID: 'offline',
    AWS_SECRET_ACCESS_KEY: 'offline',
  }
}
