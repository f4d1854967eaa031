import { hostname } from 'node:os'
import * as z from 'zod'
import { keyList, refuseRepeated, refuseWeak, singleKey } from './configured-keys.ts'
import { describeIssue } from './describe-issue.ts'
import { linkTemplate, PLACEHOLDERS } from './link-template.ts'
import { isLoopback } from './listen-host.ts'
import { nearest } from './nearest.ts'
import { ALGORITHMS, loginParameters, readOidc, scopeOfValue } from './oidc-settings.ts'
import { isSecureUrl } from './secure-url.ts'
import {
  flag,
  isDecodable,
  isPlainUrl,
  listOf,
  origin,
  proxyAddress,
  webUrl,
  whole,
} from './setting-values.ts'

const MOST_TIMEOUT_SECONDS = 86_400

type Setting = {
  /** Includes the default. */
  schema: z.ZodType
  /** The description in the documentation. */
  about: string
  isSecret?: true
  /**
   * What reads it. `functions`: the functions, in every runtime. Serverless offline passes it on to its workers, and
   * `serverless.yml` must name it, so that it can be set on AWS. `process`: only the process that serves the functions
   * (`npm start`, the container, serverless offline).
   */
  readBy: 'functions' | 'process'
}

/** Every setting. */
export const SETTINGS = {
  DATABASE_URL: {
    schema: z
      .url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' })
      .refine(isDecodable, 'has a % that is not part of an escape (write %25)')
      .optional(),
    isSecret: true,
    readBy: 'functions',
    about:
      'The PostgreSQL database, as postgres://user:password@host:5432/database. If unset, an embedded PostgreSQL is started, with its data in .local/postgres.',
  },
  DATABASE_POOL_SIZE: {
    schema: whole(1, 1000).default(10),
    readBy: 'functions',
    about:
      'Maximum number of connections for the requests of one process. Its scheduler may open the same number again (at most 9), plus seven. Under serverless offline, it is always 1 per worker.',
  },
  HOST: {
    schema: z.string().optional(),
    readBy: 'process',
    about:
      'Address to listen on. If unset, 0.0.0.0; with a weak key, 127.0.0.1 unless ALLOW_WEAK_KEY is set. Without any key, this setting is ignored, and the API listens only on 127.0.0.1.',
  },
  PORT: {
    schema: whole(0, 65_535).default(8000),
    readBy: 'process',
    about: 'Port of the API. 0 picks any free port.',
  },
  MAX_CONNECTIONS: {
    schema: whole(1, 100_000).default(1000),
    readBy: 'process',
    about:
      'Maximum number of connections to the API of one process. When it is reached, a new connection replaces the slowest one, or is refused.',
  },
  MAX_CONNECTIONS_PER_ADDRESS: {
    schema: whole(1, 100_000).default(256),
    readBy: 'process',
    about:
      'Maximum number of connections from one IPv4 address or one IPv6 network of 64 bits. Behind a proxy or a load balancer, use the same number as for MAX_CONNECTIONS, since all connections then come from its address.',
  },
  API_KEY: {
    schema: singleKey.optional(),
    isSecret: true,
    readBy: 'functions',
    about:
      'If set, every route except /, /healthz, /readyz, /docs, /openapi.json and /session requires a key, in the header x-api-key or as a bearer token. This key has the scope admin. A key is weak if it is changeme or has fewer than 16 characters.',
  },
  API_KEYS: {
    schema: keyList.optional(),
    isSecret: true,
    readBy: 'functions',
    about:
      'More keys, as name:scope:key, separated by commas. Scopes: read, run, write, admin; each includes those before it.',
  },
  ALLOW_WEAK_KEY: {
    schema: flag.default(false),
    readBy: 'functions',
    about:
      'Whether a weak key may protect an API that other machines can reach. If false, a weak key with such a HOST is an error at startup.',
  },
  PUBLIC_URL: {
    schema: webUrl.refine(isPlainUrl, 'must not have a user, a query or a fragment').optional(),
    readBy: 'functions',
    about:
      'URL at which clients reach the API, if it is behind a proxy. It may have a path, which the proxy must remove. Links in responses start with it, and pages from other origins may not change anything.',
  },
  TRUST_PROXY: {
    schema: z.union([whole(0, 10), listOf(proxyAddress)]).default(0),
    readBy: 'process',
    about:
      'Which proxies may say who the client is, in X-Forwarded-For: how many there are in front of the container, or a list of their addresses and networks (also loopback, linklocal, uniquelocal).',
  },
  ALLOWED_HOSTS: {
    schema: listOf(z.string().toLowerCase()).default([]),
    readBy: 'functions',
    about:
      "Host names, separated by commas, under which an API without keys may be called, besides this machine's own names and addresses. Protects against DNS rebinding.",
  },
  CORS_ORIGINS: {
    schema: listOf(origin).default([]),
    readBy: 'functions',
    about: 'Origins of other web pages that may call the API, separated by commas. If unset, none.',
  },
  RATE_LIMIT_PER_MINUTE: {
    schema: whole(1, 1_000_000).optional(),
    readBy: 'functions',
    about: 'Maximum number of requests per minute, per key and process. If unset, there is no limit.',
  },
  MAX_CONCURRENT_REQUESTS: {
    schema: whole(1, 100_000).default(256),
    readBy: 'functions',
    about: 'Maximum number of requests that one key may have in progress at once, per process.',
  },
  OIDC_ISSUER: {
    schema: z
      .string()
      .refine(isSecureUrl, 'must be an https URL, or an http URL of this machine')
      .refine((url) => !/[?#]/.test(url), 'must not have a query or a fragment')
      .optional(),
    readBy: 'functions',
    about:
      'The OpenID Connect issuer whose access tokens are accepted, exactly as in their claim iss. If unset, only API keys are accepted. See docs/access.md.',
  },
  OIDC_AUDIENCE: {
    schema: z.string().optional(),
    readBy: 'functions',
    about: 'The audience of the access tokens: their claim aud. Required with OIDC_ISSUER.',
  },
  OIDC_SCOPES: {
    schema: scopeOfValue.optional(),
    readBy: 'functions',
    about:
      'The scope that each value of the claim gives, as in admin=platform-team,write=developers,read=*. The value * stands for every valid token. Of several scopes, the highest counts. Required with OIDC_ISSUER.',
  },
  OIDC_SCOPE_CLAIM: {
    schema: z.string().default('scope'),
    readBy: 'functions',
    about:
      'The claim that OIDC_SCOPES refers to: words separated by spaces, or a list. The names of nested claims are joined by dots, as in realm_access.roles.',
  },
  OIDC_ALGORITHM: {
    schema: z.enum(ALGORITHMS).default('RS256'),
    readBy: 'functions',
    about: `The algorithm that the access tokens must be signed with: ${ALGORITHMS.join(', ')}.`,
  },
  OIDC_CLIENT_ID: {
    schema: z.string().optional(),
    readBy: 'functions',
    about:
      'The client that people log in to the dashboard with, as registered with the issuer. Its redirect URI is PUBLIC_URL followed by /session/oidc/callback. If unset, people log in with an API key. Needs OIDC_ISSUER and PUBLIC_URL.',
  },
  OIDC_CLIENT_SECRET: {
    schema: z.string().optional(),
    isSecret: true,
    readBy: 'functions',
    about: "The client's secret. If unset, the client is public, and only PKCE protects the code.",
  },
  OIDC_LOGIN_PARAMS: {
    schema: loginParameters.default('scope=openid+profile+email'),
    readBy: 'functions',
    about:
      'Parameters of the sign-in request, as in a query. Some issuers need more, such as audience=… (Auth0) or resource=….',
  },
  SCHEDULER_ENABLE: {
    schema: flag.default(true),
    readBy: 'process',
    about: 'Whether this process ticks and runs tasks. If false, it only serves the API.',
  },
  TICK_INTERVAL_MS: {
    schema: whole(50, 60_000).default(1000),
    readBy: 'functions',
    about: 'Milliseconds between ticks, 50 to 60000.',
  },
  CLAIM_AHEAD_MS: {
    schema: whole(0, 60_000).optional(),
    readBy: 'functions',
    about:
      'How far ahead a tick claims, in milliseconds: 0 to 60000, and less than the lease. If unset, TICK_INTERVAL_MS, but at least 1000 and at most half the lease.',
  },
  LEASE_SECONDS: {
    schema: whole(1, 3600).default(15),
    readBy: 'functions',
    about: "Seconds without a heartbeat after which a process's executions count as lost, 1 to 3600.",
  },
  MAX_CONCURRENT_EXECUTIONS: {
    schema: whole(1, 100_000).default(64),
    readBy: 'functions',
    about:
      'Slots: the maximum number of executions that may run at once in one process. On Lambda and under serverless offline, the limit applies to all functions together.',
  },
  MAX_CLAIMED_EXECUTIONS: {
    schema: whole(1, 1_000_000).default(10_000),
    readBy: 'process',
    about:
      'Maximum number of executions that one process may hold, running or claimed ahead. Not used on Lambda or under serverless offline.',
  },
  SHUTDOWN_GRACE_SECONDS: {
    schema: whole(0, 3600).default(10),
    readBy: 'process',
    about: 'Seconds that running executions get to finish at shutdown, 0 to 3600.',
  },
  DEFAULT_TASK_TIMEOUT_SECONDS: {
    schema: z.coerce.number().positive().max(MOST_TIMEOUT_SECONDS).default(30),
    readBy: 'functions',
    about: 'Timeout, in seconds, for tasks without timeout_seconds. Above 0, at most MAX_TIMEOUT_SECONDS.',
  },
  MAX_TIMEOUT_SECONDS: {
    schema: z.coerce.number().positive().max(MOST_TIMEOUT_SECONDS).default(MOST_TIMEOUT_SECONDS),
    readBy: 'functions',
    about: `Longest timeout_seconds that a task may be given, at most ${MOST_TIMEOUT_SECONDS}, and at least DEFAULT_TASK_TIMEOUT_SECONDS. Stored tasks keep theirs.`,
  },
  MIN_INTERVAL_SECONDS: {
    schema: whole(1, 86_400).default(1),
    readBy: 'functions',
    about:
      'Shortest time between two occurrences that an interval or cron schedule may be given, in seconds, 1 to 86400. Stored schedules go on.',
  },
  MAX_TASKS: {
    schema: whole(1, 100_000_000).optional(),
    readBy: 'functions',
    about:
      'Maximum number of tasks. Beyond it, creating a task fails with 422, and everything else works. If unset, there is no maximum.',
  },
  MAX_PARAMS_BYTES: {
    schema: whole(2, 262_144).optional(),
    readBy: 'functions',
    about:
      'Maximum size of the params that a task may be given, in bytes of JSON, 2 to 262144. If unset, only the size of a request body (262144 bytes) limits them. Stored tasks keep theirs.',
  },
  MAX_IDEMPOTENCY_KEYS: {
    schema: whole(1, 10_000_000).default(1_000_000),
    readBy: 'functions',
    about:
      'Maximum number of idempotency keys that are kept for 24 hours, 1 to 10000000. Beyond it, requests with a new key get 503. Requests without one still work.',
  },
  METRICS_PORT: {
    schema: whole(0, 65_535).optional(),
    readBy: 'process',
    about:
      'Port of its own for /metrics, where no key is required. 0 picks any free port. If unset, /metrics is only on PORT.',
  },
  METRICS_HOST: {
    schema: z.string().default('127.0.0.1'),
    readBy: 'process',
    about: 'Address that METRICS_PORT listens on. Anyone who can reach it can read the metrics.',
  },
  METRICS_TASK_LABELS: {
    schema: listOf(z.string().min(1))
      .pipe(z.array(z.string()).max(50, 'must have at most 50 names'))
      .default([]),
    readBy: 'functions',
    about:
      'Names of tasks, separated by commas, whose runs get series of their own in the metrics, with the label task. At most 50. A name with a comma cannot be given.',
  },
  METRICS_EMF: {
    schema: flag.default(true),
    readBy: 'functions',
    about:
      'Whether the functions on Lambda write metrics for CloudWatch to their logs. CloudWatch charges for them. No other runtime writes them.',
  },
  LOG_URL_TEMPLATE: {
    schema: linkTemplate.optional(),
    readBy: 'functions',
    about: `URL of an execution's log, which the dashboard links to. May contain ${PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}. Only those who may read executions see it.`,
  },
  TRACE_URL_TEMPLATE: {
    schema: linkTemplate.optional(),
    readBy: 'functions',
    about: "URL of an execution's trace, with the same placeholders.",
  },
  HTTP_TASK_URL: {
    schema: webUrl.default('https://httpbin.org/status/200'),
    isSecret: true,
    readBy: 'functions',
    about: 'URL that http tasks without params.url call.',
  },
  EXECUTE_FUNCTION_NAME: {
    schema: z.string().min(1).optional(),
    readBy: 'functions',
    about:
      'Name of the Lambda function that runs claimed executions. serverless.yml sets it; npm start ignores it.',
  },
  LOG_LEVEL: {
    schema: z
      .string()
      .transform((value) => value.toUpperCase())
      .pipe(z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT']))
      .default('INFO'),
    readBy: 'functions',
    about: 'Minimum level of log lines: DEBUG, INFO, WARN, ERROR, CRITICAL or SILENT.',
  },
  LOG_JSON: {
    schema: flag.default(true),
    readBy: 'functions',
    about: 'Whether log lines are JSON objects. If false, they are human-readable text.',
  },
  SQL_ECHO: {
    schema: flag.default(false),
    readBy: 'functions',
    about: 'Whether to log the text of every SQL statement, without its values.',
  },
} as const satisfies Record<string, Setting>

type Settings = typeof SETTINGS

/** Returns the names of the settings that functions read, or of those that only the process around them reads. */
export const settingsReadBy = (reader: Setting['readBy']): string[] =>
  Object.entries<Setting>(SETTINGS)
    .filter(([, { readBy }]) => readBy === reader)
    .map(([name]) => name)

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
  const parsed = environment.safeParse(given, { error: describeIssue })
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
  const keys = [
    ...(values.API_KEY === undefined
      ? []
      : [{ name: 'API_KEY', scope: 'admin' as const, key: values.API_KEY }]),
    ...(values.API_KEYS ?? []),
  ]
  // Lambda's runtime sets this variable. Functions don't listen on a port, but anyone can reach their API.
  const exposed = env.AWS_LAMBDA_RUNTIME_API !== undefined || (values.HOST && !isLoopback(values.HOST))
  if (exposed && !values.ALLOW_WEAK_KEY) refuseWeak(keys)
  refuseRepeated(keys)
  const defaultTimeout = values.DEFAULT_TASK_TIMEOUT_SECONDS
  // The default isn't lowered silently, since stored tasks use it too.
  if (defaultTimeout > values.MAX_TIMEOUT_SECONDS) {
    throw new Error(
      `invalid configuration: DEFAULT_TASK_TIMEOUT_SECONDS: must be at most MAX_TIMEOUT_SECONDS (got ${defaultTimeout})`,
    )
  }
  return Object.freeze({
    runtime: runtimeOf(env),
    /** Where this process runs. On Lambda, the log stream, since its host has no name. */
    machine: env.AWS_LAMBDA_LOG_STREAM_NAME ?? hostname(),
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    host: values.HOST,
    port: values.PORT,
    keys,
    oidc: readOidc(values),
    allowWeakKey: values.ALLOW_WEAK_KEY,
    publicUrl: values.PUBLIC_URL?.replace(/\/+$/, ''),
    trustProxy: values.TRUST_PROXY,
    allowedHosts: values.ALLOWED_HOSTS,
    corsOrigins: values.CORS_ORIGINS,
    rateLimitPerMinute: values.RATE_LIMIT_PER_MINUTE,
    maxConcurrentRequests: values.MAX_CONCURRENT_REQUESTS,
    maxConnections: values.MAX_CONNECTIONS,
    maxConnectionsPerAddress: values.MAX_CONNECTIONS_PER_ADDRESS,
    schedulerEnabled: values.SCHEDULER_ENABLE,
    tickIntervalMs: values.TICK_INTERVAL_MS,
    claimAheadMs,
    leaseSeconds: values.LEASE_SECONDS,
    maxConcurrentExecutions: values.MAX_CONCURRENT_EXECUTIONS,
    maxClaimedExecutions: values.MAX_CLAIMED_EXECUTIONS,
    shutdownGraceSeconds: values.SHUTDOWN_GRACE_SECONDS,
    defaultTaskTimeoutSeconds: defaultTimeout,
    maxTimeoutSeconds: values.MAX_TIMEOUT_SECONDS,
    minIntervalSeconds: values.MIN_INTERVAL_SECONDS,
    maxTasks: values.MAX_TASKS,
    maxParamsBytes: values.MAX_PARAMS_BYTES,
    maxIdempotencyKeys: values.MAX_IDEMPOTENCY_KEYS,
    metricsPort: values.METRICS_PORT,
    metricsHost: values.METRICS_HOST,
    metricsTaskLabels: values.METRICS_TASK_LABELS,
    metricsEmf: values.METRICS_EMF,
    linkTemplates: { log: values.LOG_URL_TEMPLATE, trace: values.TRACE_URL_TEMPLATE },
    httpTaskUrl: values.HTTP_TASK_URL,
    executeFunctionName: values.EXECUTE_FUNCTION_NAME,
    logLevel: values.LOG_LEVEL,
    logJson: values.LOG_JSON,
    sqlEcho: values.SQL_ECHO,
  })
}

/** Returns what serves the functions. Both AWS's runtime and serverless-offline say so in the environment. */
function runtimeOf(env: Record<string, string | undefined>): 'container' | 'lambda' | 'offline' {
  if (env.IS_OFFLINE) return 'offline'
  return env.AWS_LAMBDA_RUNTIME_API === undefined ? 'container' : 'lambda'
}
