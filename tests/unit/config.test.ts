import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { misspelledSettings, readConfig } from '../../shared/config.ts'
import { listenHost } from '../../shared/listen-host.ts'

const defaults = {
  runtime: 'container',
  machine: hostname(),
  databaseUrl: undefined,
  databasePoolSize: 10,
  host: undefined,
  port: 8000,
  keys: [],
  oidc: undefined,
  allowWeakKey: false,
  publicUrl: undefined,
  trustProxy: 0,
  allowedHosts: [],
  corsOrigins: [],
  rateLimitPerMinute: undefined,
  maxConcurrentRequests: 256,
  maxConnections: 1000,
  maxConnectionsPerAddress: 256,
  schedulerEnabled: true,
  tickIntervalMs: 1000,
  claimAheadMs: 1000,
  leaseSeconds: 15,
  maxConcurrentExecutions: 64,
  maxClaimedExecutions: 10_000,
  shutdownGraceSeconds: 10,
  defaultTaskTimeoutSeconds: 30,
  maxTimeoutSeconds: 86_400,
  minIntervalSeconds: 1,
  maxTasks: undefined,
  maxParamsBytes: undefined,
  maxIdempotencyKeys: 1_000_000,
  metricsPort: undefined,
  metricsHost: '127.0.0.1',
  metricsTaskLabels: [],
  metricsEmf: true,
  linkTemplates: { log: undefined, trace: undefined },
  httpTaskUrl: 'https://httpbin.org/status/200',
  executeFunctionName: undefined,
  logLevel: 'INFO',
  logJson: true,
  sqlEcho: false,
}

test('has a default for every key', () => {
  expect(readConfig({})).toEqual(defaults)
})

test('treats an empty value as unset, since docker compose passes unset variables that way', () => {
  const keys = ['DATABASE_URL', 'API_KEY', 'HOST', 'PORT', 'SCHEDULER_ENABLE', 'LOG_LEVEL', 'HTTP_TASK_URL']
  expect(readConfig(Object.fromEntries(keys.map((key) => [key, ' '])))).toEqual(defaults)
})

test('ignores unknown variables', () => {
  expect(readConfig({ PATH: '/bin', AWS_REGION: 'eu-central-1' })).toEqual(defaults)
})

test('the configuration is frozen', () => {
  expect(Object.isFrozen(readConfig({}))).toBe(true)
})

test.for([
  [{ IS_OFFLINE: 'true' }, { runtime: 'offline', machine: hostname() }],
  [
    { AWS_LAMBDA_RUNTIME_API: '127.0.0.1:9001', AWS_LAMBDA_LOG_STREAM_NAME: '2027/03/10/[$LATEST]a' },
    { runtime: 'lambda', machine: '2027/03/10/[$LATEST]a' },
  ],
])('with %o, the runtime is %o', ([env, expected]) => {
  expect(readConfig(env as Record<string, string>)).toMatchObject(expected as object)
})

type Case = [key: string, value: string, setting: keyof typeof defaults, expected: unknown]

test.for<Case>([
  ['DATABASE_URL', 'postgres://u:p@db:5432/tasks', 'databaseUrl', 'postgres://u:p@db:5432/tasks'],
  [
    'DATABASE_URL',
    'postgresql://db/tasks?sslmode=require',
    'databaseUrl',
    'postgresql://db/tasks?sslmode=require',
  ],
  ['DATABASE_POOL_SIZE', '1', 'databasePoolSize', 1],
  ['DATABASE_POOL_SIZE', '1000', 'databasePoolSize', 1000],
  ['PORT', '0', 'port', 0],
  ['PORT', '65535', 'port', 65_535],
  ['HOST', '0.0.0.0', 'host', '0.0.0.0'],
  ['API_KEY', 'changeme', 'keys', [{ name: 'API_KEY', scope: 'admin', key: 'changeme' }]],
  [
    'API_KEYS',
    'ci:run:a:b=c, ops:admin:d',
    'keys',
    [
      { name: 'ci', scope: 'run', key: 'a:b=c' },
      { name: 'ops', scope: 'admin', key: 'd' },
    ],
  ],
  ['ALLOW_WEAK_KEY', 'true', 'allowWeakKey', true],
  ['PUBLIC_URL', 'https://example.org/tasks/', 'publicUrl', 'https://example.org/tasks'],
  ['TRUST_PROXY', '2', 'trustProxy', 2],
  ['TRUST_PROXY', 'loopback, 10.0.0.0/8,fd00::1', 'trustProxy', ['loopback', '10.0.0.0/8', 'fd00::1']],
  ['ALLOWED_HOSTS', 'Tasks, b.example', 'allowedHosts', ['tasks', 'b.example']],
  [
    'CORS_ORIGINS',
    'https://a.example,http://localhost:3000',
    'corsOrigins',
    ['https://a.example', 'http://localhost:3000'],
  ],
  ['RATE_LIMIT_PER_MINUTE', '60', 'rateLimitPerMinute', 60],
  ['MAX_CONCURRENT_REQUESTS', '10', 'maxConcurrentRequests', 10],
  ['MAX_CONNECTIONS', '100000', 'maxConnections', 100_000],
  ['MAX_CONNECTIONS_PER_ADDRESS', '1', 'maxConnectionsPerAddress', 1],
  ['SCHEDULER_ENABLE', 'false', 'schedulerEnabled', false],
  ['SCHEDULER_ENABLE', 'False', 'schedulerEnabled', false],
  ['SCHEDULER_ENABLE', '0', 'schedulerEnabled', false],
  ['SCHEDULER_ENABLE', 'no', 'schedulerEnabled', false],
  ['SCHEDULER_ENABLE', 'OFF', 'schedulerEnabled', false],
  ['SCHEDULER_ENABLE', 'TRUE', 'schedulerEnabled', true],
  ['TICK_INTERVAL_MS', '50', 'tickIntervalMs', 50],
  ['TICK_INTERVAL_MS', '60000', 'tickIntervalMs', 60_000],
  ['CLAIM_AHEAD_MS', '5000', 'claimAheadMs', 5000],
  ['LEASE_SECONDS', '1', 'leaseSeconds', 1],
  ['LEASE_SECONDS', '3600', 'leaseSeconds', 3600],
  ['MAX_CONCURRENT_EXECUTIONS', '1', 'maxConcurrentExecutions', 1],
  ['MAX_CONCURRENT_EXECUTIONS', '100000', 'maxConcurrentExecutions', 100_000],
  ['MAX_CLAIMED_EXECUTIONS', '1000000', 'maxClaimedExecutions', 1_000_000],
  ['SHUTDOWN_GRACE_SECONDS', '0', 'shutdownGraceSeconds', 0],
  ['SHUTDOWN_GRACE_SECONDS', '3600', 'shutdownGraceSeconds', 3600],
  ['DEFAULT_TASK_TIMEOUT_SECONDS', '0.5', 'defaultTaskTimeoutSeconds', 0.5],
  ['DEFAULT_TASK_TIMEOUT_SECONDS', '86400', 'defaultTaskTimeoutSeconds', 86_400],
  ['MAX_TIMEOUT_SECONDS', '600', 'maxTimeoutSeconds', 600],
  ['MIN_INTERVAL_SECONDS', '86400', 'minIntervalSeconds', 86_400],
  ['MAX_TASKS', '1', 'maxTasks', 1],
  ['MAX_PARAMS_BYTES', '262144', 'maxParamsBytes', 262_144],
  ['MAX_IDEMPOTENCY_KEYS', '1', 'maxIdempotencyKeys', 1],
  ['METRICS_PORT', '0', 'metricsPort', 0],
  ['METRICS_HOST', '0.0.0.0', 'metricsHost', '0.0.0.0'],
  ['METRICS_TASK_LABELS', 'a, b c', 'metricsTaskLabels', ['a', 'b c']],
  ['METRICS_EMF', 'false', 'metricsEmf', false],
  ['HTTP_TASK_URL', 'http://localhost:9000/x', 'httpTaskUrl', 'http://localhost:9000/x'],
  ['EXECUTE_FUNCTION_NAME', 'tasks-dev-execute', 'executeFunctionName', 'tasks-dev-execute'],
  ['LOG_LEVEL', 'debug', 'logLevel', 'DEBUG'],
  ['LOG_LEVEL', 'SILENT', 'logLevel', 'SILENT'],
  ['LOG_JSON', 'no', 'logJson', false],
  ['SQL_ECHO', '1', 'sqlEcho', true],
])('reads %s=%s', ([key, value, setting, expected]) => {
  const claimAheadMs = expect.any(Number)
  expect(readConfig({ [key]: value })).toEqual({ ...defaults, claimAheadMs, [setting]: expected })
})

test.for([
  ['DATABASE_URL', 'mysql://db/tasks'],
  ['DATABASE_URL', 'db:5432'],
  ['DATABASE_POOL_SIZE', '0'],
  ['DATABASE_POOL_SIZE', '1001'],
  ['DATABASE_POOL_SIZE', 'ten'],
  ['API_KEY', 'old,new'],
  ['API_KEYS', 'a-key'],
  ['API_KEYS', 'ci:root:key'],
  ['API_KEYS', 'ci:read:'],
  ['PUBLIC_URL', 'example.org'],
  ['PUBLIC_URL', 'https://user@example.org'],
  ['PUBLIC_URL', 'https://example.org/?a'],
  ['DATABASE_URL', 'postgres://u:50%@db/tasks'],
  ['TRUST_PROXY', 'true'],
  ['TRUST_PROXY', '10.0.0.0/33'],
  ['CORS_ORIGINS', '*'],
  ['CORS_ORIGINS', 'https://a.example/'],
  ['RATE_LIMIT_PER_MINUTE', '0'],
  ['MAX_CONCURRENT_REQUESTS', '0'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['SCHEDULER_ENABLE', 'maybe'],
  ['TICK_INTERVAL_MS', '49'],
  ['CLAIM_AHEAD_MS', '-1'],
  ['CLAIM_AHEAD_MS', '15000'],
  ['TICK_INTERVAL_MS', '1s'],
  ['LEASE_SECONDS', '0'],
  ['LEASE_SECONDS', '3601'],
  ['MAX_CONCURRENT_EXECUTIONS', '0'],
  ['MAX_CLAIMED_EXECUTIONS', '0'],
  ['SHUTDOWN_GRACE_SECONDS', '-1'],
  ['DEFAULT_TASK_TIMEOUT_SECONDS', '0'],
  ['DEFAULT_TASK_TIMEOUT_SECONDS', '86401'],
  ['MAX_TIMEOUT_SECONDS', '0'],
  ['MAX_TIMEOUT_SECONDS', '86401'],
  ['MIN_INTERVAL_SECONDS', '0'],
  ['MIN_INTERVAL_SECONDS', '86401'],
  ['MAX_TASKS', '0'],
  ['MAX_PARAMS_BYTES', '1'],
  ['MAX_PARAMS_BYTES', '262145'],
  ['MAX_IDEMPOTENCY_KEYS', '0'],
  ['MAX_IDEMPOTENCY_KEYS', '10000001'],
  ['METRICS_PORT', '65536'],
  ['METRICS_TASK_LABELS', 'a,,b'],
  ['METRICS_TASK_LABELS', `${'a,'.repeat(50)}a`],
  ['METRICS_EMF', 'maybe'],
  ['LOG_URL_TEMPLATE', 'javascript:alert({execution_id})'],
  ['LOG_URL_TEMPLATE', 'https://logs.example.org/{execution}'],
  ['TRACE_URL_TEMPLATE', 'traces.example.org'],
  ['HTTP_TASK_URL', 'ftp://example.org'],
  ['HTTP_TASK_URL', 'example.org'],
  ['OIDC_ISSUER', 'login.example'],
  ['OIDC_ISSUER', 'http://login.example'],
  ['OIDC_ISSUER', 'http://localhost.example'],
  ['OIDC_ISSUER', 'https://login.example/?tenant=a'],
  ['OIDC_ALGORITHM', 'none'],
  ['OIDC_ALGORITHM', 'HS256'],
  ['OIDC_ALGORITHM', 'rs256'],
  ['OIDC_SCOPES', 'team'],
  ['OIDC_SCOPES', '=team'],
  ['OIDC_SCOPES', 'read='],
  ['OIDC_SCOPES', 'read=a,'],
  ['OIDC_SCOPES', 'owner=team'],
  ['OIDC_SCOPES', 'toString=team'],
  ['OIDC_SCOPES', 'read=team,admin=team'],
  ['OIDC_LOGIN_PARAMS', 'scope=profile'],
  ['OIDC_LOGIN_PARAMS', 'audience=tasks'],
  ['OIDC_LOGIN_PARAMS', 'scope=openid&redirect_uri=https://evil.example'],
  ['OIDC_LOGIN_PARAMS', 'scope=openid&response_mode=fragment'],
  ['OIDC_LOGIN_PARAMS', 'scope=openid&audience=a&audience=b'],
  ['LOG_LEVEL', 'LOUD'],
  ['LOG_JSON', '2'],
  ['SQL_ECHO', 'please'],
] as const)('rejects %s=%s and names the variable', ([key, value]) => {
  expect(() => readConfig({ [key]: value })).toThrow(new RegExp(`^invalid configuration: ${key}: [^;]+$`))
})

test.for([
  [{}, 1000],
  [{ TICK_INTERVAL_MS: '5000' }, 5000],
  [{ LEASE_SECONDS: '1' }, 500],
] as const)('with %o, claims ahead by %i ms', ([env, expected]) => {
  expect(readConfig(env).claimAheadMs).toBe(expected)
})

test('the default timeout must not exceed the maximum timeout', () => {
  const settings = { MAX_TIMEOUT_SECONDS: '10', DEFAULT_TASK_TIMEOUT_SECONDS: '10' }
  expect(readConfig(settings)).toMatchObject({ defaultTaskTimeoutSeconds: 10, maxTimeoutSeconds: 10 })
  expect(() => readConfig({ MAX_TIMEOUT_SECONDS: '10' })).toThrow(
    'invalid configuration: DEFAULT_TASK_TIMEOUT_SECONDS: must be at most MAX_TIMEOUT_SECONDS (got 30)',
  )
})

test('names every invalid variable', () => {
  expect(() => readConfig({ PORT: 'x', LOG_JSON: 'x', API_KEY: 'k' })).toThrow(
    /^invalid configuration: PORT: [^;]+; LOG_JSON: [^;]+$/,
  )
})

test('does not print the password of an invalid DATABASE_URL', () => {
  expect(() => readConfig({ DATABASE_URL: 'mysql://u:secret@db/tasks' })).toThrow(
    'invalid configuration: DATABASE_URL: must be a postgres:// URL',
  )
})

describe('listens', () => {
  const hostOf = (env: Record<string, string>, hasStoredKeys = false) =>
    listenHost({ ...readConfig(env), oidc: undefined }, hasStoredKeys)
  const strong = { API_KEY: '0123456789abcdef' }

  test('only on this machine if there is no key, regardless of HOST', () => {
    expect(hostOf({})).toBe('127.0.0.1')
    expect(hostOf({ HOST: '0.0.0.0' })).toBe('127.0.0.1')
  })

  test('on all addresses, or on HOST, if there is a key', () => {
    expect(hostOf(strong)).toBe('0.0.0.0')
    expect(hostOf({ ...strong, HOST: '::1' })).toBe('::1')
    expect(hostOf({}, true)).toBe('0.0.0.0')
  })

  test('only on this machine if a key is weak', () => {
    expect(hostOf({ API_KEY: 'changeme' })).toBe('127.0.0.1')
    expect(hostOf({ ...strong, API_KEYS: 'ci:read:short' })).toBe('127.0.0.1')
    expect(hostOf({ API_KEY: 'changeme', HOST: '127.0.0.2' })).toBe('127.0.0.2')
  })

  test('on all addresses with a weak key if that is allowed', () => {
    expect(hostOf({ API_KEY: 'changeme', ALLOW_WEAK_KEY: 'true' })).toBe('0.0.0.0')
    expect(hostOf({ API_KEY: 'changeme', ALLOW_WEAK_KEY: 'true', HOST: '::' })).toBe('::')
  })
})

test('rejects a key that is given twice, and names both entries', () => {
  const twice = { API_KEY: 'the-same-key', API_KEYS: 'ci:read:another-key,ops:read:the-same-key' }
  expect(() => readConfig(twice)).toThrow(
    'invalid configuration: API_KEYS: API_KEY and ops have the same key',
  )
})

test.for([{ HOST: '0.0.0.0' }, { HOST: '10.0.0.1' }, { AWS_LAMBDA_RUNTIME_API: '127.0.0.1:9001' }])(
  'rejects a weak key with %o, and does not print it',
  (env) => {
    expect(() => readConfig({ API_KEY: 'changeme', ...env })).toThrow(/^(?!.*changeme).*weak key: API_KEY/)
    expect(readConfig({ API_KEY: 'changeme', ALLOW_WEAK_KEY: '1', ...env }).keys).toHaveLength(1)
    expect(readConfig({ API_KEY: '0123456789abcdef', ...env }).keys).toHaveLength(1)
  },
)

test('shows an invalid value unless it may be a secret', () => {
  expect(() => readConfig({ PORT: '99999' })).toThrow(/^invalid configuration: PORT: .* \(got "99999"\)$/)
  expect(() => readConfig({ DATABASE_URL: 'mysql://u:secret@db/x' })).toThrow(/^(?!.*secret)/)
})

test('suggests the setting that a misspelled variable probably means', () => {
  const env = {
    LEASE_SECOND: '10',
    MAX_CONCURENT_EXECUTIONS: '3',
    HOSTNAME: 'a',
    HOME: '/',
    TERM: 'x',
    PORT: '1',
  }
  expect(misspelledSettings(env)).toEqual([
    { name: 'LEASE_SECOND', meant: 'LEASE_SECONDS' },
    { name: 'MAX_CONCURENT_EXECUTIONS', meant: 'MAX_CONCURRENT_EXECUTIONS' },
  ])
})

test('rejects an API key that cannot be sent in a header', () => {
  expect(() => readConfig({ API_KEY: 'schlüssel' })).toThrow(
    /^invalid configuration: API_KEY: must be printable ASCII/,
  )
})

test('ignores variables that belong to other programs, but reports settings that are written in lower case', () => {
  expect(misspelledSettings({ PGHOST: 'x', POST: '1', lease_seconds: '4' })).toEqual([
    { name: 'lease_seconds', meant: 'LEASE_SECONDS' },
  ])
})

describe('an OpenID Connect issuer', () => {
  const issuer = 'https://login.example/realms/a'
  const env = { OIDC_ISSUER: issuer, OIDC_AUDIENCE: 'tasks', OIDC_SCOPES: 'admin=platform-team' }

  test('has defaults for the algorithm and the claim', () => {
    expect(readConfig(env).oidc).toEqual({
      issuer,
      audience: 'tasks',
      algorithms: ['RS256'],
      claim: 'scope',
      scopes: { 'platform-team': 'admin' },
    })
  })

  test.for([
    ['read=*', { '*': 'read' }],
    [' write = developers , admin=a b ', { developers: 'write', 'a b': 'admin' }],
    ['run=a,run=b', { a: 'run', b: 'run' }],
    ['admin=https://example.org/?role=a', { 'https://example.org/?role=a': 'admin' }],
  ])('reads the scopes %s', ([OIDC_SCOPES, scopes]) => {
    expect(readConfig({ ...env, OIDC_SCOPES: String(OIDC_SCOPES) }).oidc?.scopes).toEqual(scopes)
  })

  test.for(['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000'])(
    'may be on this machine without TLS: %s',
    (OIDC_ISSUER) => {
      expect(readConfig({ ...env, OIDC_ISSUER }).oidc?.issuer).toBe(OIDC_ISSUER)
    },
  )

  test.for([
    ['OIDC_ISSUER', 'OIDC_ISSUER: is required with OIDC_AUDIENCE and OIDC_SCOPES'],
    ['OIDC_AUDIENCE', 'OIDC_AUDIENCE: is required with OIDC_ISSUER and OIDC_SCOPES'],
    ['OIDC_SCOPES', 'OIDC_SCOPES: is required with OIDC_ISSUER and OIDC_AUDIENCE'],
  ] as const)('is rejected without %s', ([name, problem]) => {
    expect(() => readConfig({ ...env, [name]: '' })).toThrow(`invalid configuration: ${problem}`)
  })

  test('is rejected without an audience and scopes, with one error for both', () => {
    expect(() => readConfig({ OIDC_ISSUER: issuer })).toThrow(
      'invalid configuration: OIDC_AUDIENCE: is required with OIDC_ISSUER; OIDC_SCOPES: is required with OIDC_ISSUER',
    )
  })

  const login = { OIDC_CLIENT_ID: 'dashboard', PUBLIC_URL: 'https://tasks.example' }

  test('may be what people log in with', () => {
    const asked = {
      OIDC_LOGIN_PARAMS: 'scope=openid&resource=https%3A%2F%2Ftasks.example',
      OIDC_CLIENT_SECRET: 's',
    }
    expect(readConfig({ ...env, ...login }).oidc?.login).toEqual({
      clientId: 'dashboard',
      clientSecret: undefined,
      parameters: { scope: 'openid profile email' },
    })
    expect(readConfig({ ...env, ...login, ...asked }).oidc?.login).toEqual({
      clientId: 'dashboard',
      clientSecret: 's',
      parameters: { scope: 'openid', resource: 'https://tasks.example' },
    })
  })

  test.for([
    [{ ...env, OIDC_CLIENT_ID: 'dashboard' }, 'PUBLIC_URL: is required with OIDC_CLIENT_ID'],
    [{ ...env, OIDC_CLIENT_SECRET: 's' }, 'OIDC_CLIENT_ID: is required with OIDC_CLIENT_SECRET'],
    [login, 'OIDC_ISSUER: is required with OIDC_CLIENT_ID'],
  ])('cannot be logged in with, given %j', ([given, problem]) => {
    expect(() => readConfig(given as Record<string, string>)).toThrow(`invalid configuration: ${problem}`)
  })
})
