import type { LocalPostgres } from './postgres/postgres.ts'

/** Prints where the API and the dashboard are, and a first command to try. */
export function welcome(listening: string, withKey: boolean, postgres: LocalPostgres | undefined): void {
  // 0.0.0.0 and [::] aren't addresses that a browser can open.
  const url = listening.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//localhost')
  const key = withKey ? " -H 'x-api-key: …'" : ''
  const lines = [
    `API at ${listening}, documentation at ${url}/docs`,
    `Dashboard at ${url}/`,
    ...(postgres ? [`PostgreSQL: embedded, data in ${postgres.home}`] : []),
    ...(withKey ? [] : ['There is no key yet, so only this machine can reach the API']),
    `Try: curl -X POST ${url}/tasks${key} -H 'content-type: application/json' -d '{"name":"hello","type":"sleep","schedule_type":"interval","interval_seconds":5,"params":{"duration":1}}'`,
  ]
  process.stdout.write(`\n${lines.join('\n')}\n\n`)
}
