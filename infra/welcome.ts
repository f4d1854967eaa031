import type { LocalPostgres } from './postgres/postgres.ts'

/** Tells whoever started a local runtime where the API is, and a first line to try. */
export function welcome(url: string, withKey: boolean, postgres: LocalPostgres | undefined): void {
  const key = withKey ? " -H 'x-api-key: …'" : ''
  const lines = [
    `API on ${url}, documentation on ${url}/docs`,
    ...(postgres ? [`PostgreSQL: embedded, its data in ${postgres.home}`] : []),
    ...(withKey ? [] : ['No API_KEY is set, so only this machine can reach it']),
    `Try: curl -X POST ${url}/tasks${key} -H 'content-type: application/json' -d '{"name":"hello","type":"sleep","schedule_type":"interval","interval_seconds":5,"params":{"duration":1}}'`,
  ]
  process.stdout.write(`\n${lines.join('\n')}\n\n`)
}
