import type { LocalPostgres } from './postgres/postgres.ts'

/** Prints where the API is, and a first command to try. */
export function welcome(url: string, withKey: boolean, postgres: LocalPostgres | undefined): void {
  const key = withKey ? " -H 'x-api-key: …'" : ''
  const lines = [
    `API at ${url}, documentation at ${url}/docs`,
    ...(postgres ? [`PostgreSQL: embedded, data in ${postgres.home}`] : []),
    ...(withKey ? [] : ['There is no key yet, so only this machine can reach the API']),
    `Try: curl -X POST ${url}/tasks${key} -H 'content-type: application/json' -d '{"name":"hello","type":"sleep","schedule_type":"interval","interval_seconds":5,"params":{"duration":1}}'`,
  ]
  process.stdout.write(`\n${lines.join('\n')}\n\n`)
}
