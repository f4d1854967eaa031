import { describe, expect, test } from 'vitest'
import { misspelledSettings, readConfig } from '../../shared/config.ts'

const defaults = {
  databaseUrl: undefined,
  databasePoolSize: 10,
  host: '127.0.0.1',
  port: 8000,
  apiKey: undefined,
  schedulerEnabled: true,
  tickIntervalMs: 1000,
  claimAheadMs: 1000,
  leaseSeconds: 15,
  maxConcurrentExecutions: 64,
  maxClaimedExecutions: 10_000,
  shutdownGraceSeconds: 10,
  defaultTaskTimeoutSeconds: 30,
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
  ['API_KEY', 'changeme', 'apiKey', 'changeme'],
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
  ['HTTP_TASK_URL', 'http://localhost:9000/x', 'httpTaskUrl', 'http://localhost:9000/x'],
  ['EXECUTE_FUNCTION_NAME', 'tasks-dev-execute', 'executeFunctionName', 'tasks-dev-execute'],
  ['LOG_LEVEL', 'debug', 'logLevel', 'DEBUG'],
  ['LOG_LEVEL', 'SILENT', 'logLevel', 'SILENT'],
  ['LOG_JSON', 'no', 'logJson', false],
  ['SQL_ECHO', '1', 'sqlEcho', true],
])('reads %s=%s', ([key, value, setting, expected]) => {
  const host = key === 'API_KEY' ? '0.0.0.0' : '127.0.0.1'
  const claimAheadMs = expect.any(Number)
  expect(readConfig({ [key]: value })).toEqual({ ...defaults, host, claimAheadMs, [setting]: expected })
})

test.for([
  ['DATABASE_URL', 'mysql://db/tasks'],
  ['DATABASE_URL', 'db:5432'],
  ['DATABASE_POOL_SIZE', '0'],
  ['DATABASE_POOL_SIZE', '1001'],
  ['DATABASE_POOL_SIZE', 'ten'],
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
  ['HTTP_TASK_URL', 'ftp://example.org'],
  ['HTTP_TASK_URL', 'example.org'],
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
  test('only on this machine when no API key is set, regardless of HOST', () => {
    expect(readConfig({}).host).toBe('127.0.0.1')
    expect(readConfig({ HOST: '0.0.0.0' }).host).toBe('127.0.0.1')
    expect(readConfig({ HOST: '0.0.0.0', API_KEY: ' ' }).host).toBe('127.0.0.1')
  })

  test('on all addresses, or on HOST, when an API key is set', () => {
    expect(readConfig({ API_KEY: 'k' }).host).toBe('0.0.0.0')
    expect(readConfig({ API_KEY: 'k', HOST: '::1' }).host).toBe('::1')
  })
})

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

test('ignores the variables of other programs, but reports settings in lower case', () => {
  expect(misspelledSettings({ PGHOST: 'x', POST: '1', lease_seconds: '4' })).toEqual([
    { name: 'lease_seconds', meant: 'LEASE_SECONDS' },
  ])
})
