import { startReplica } from '../../chaos/replica.ts'
import { ATTACKS, underAttack } from './attack.ts'

/*
 * Prints what hostile connections do to a server's memory and to other clients. Needs a database of its own:
 *   DATABASE_URL=postgres://… node tests/container/hostile/measure.ts [connections] [seconds]
 * Other variables, such as MAX_CONNECTIONS, are passed on to the server.
 */
const [connections = 1000, seconds = 10] = process.argv.slice(2).map(Number)
const { DATABASE_URL = '', PATH: _, ...env } = process.env

for (const key of ['', 'a-key-of-some-length']) {
  for (const [name, attack] of [['none', { first: '', reads: true }] as const, ...Object.entries(ATTACKS)]) {
    const settings = { ...(env as Record<string, string>), API_KEY: key, LOG_LEVEL: 'WARN' }
    const replica = await startReplica(DATABASE_URL, settings)
    const plan = { attack, seconds, key: key || undefined, connections: name === 'none' ? 0 : connections }
    const { grownMb, good } = await underAttack(replica, plan)
    await replica.kill()
    const { requests, p99Ms, errors } = good
    const kinds = [...new Set(errors)].slice(0, 3).join(', ')
    const facts = `+ ${grownMb} MB, p99 ${p99Ms} ms, ${errors.length} of ${requests} requests failed ${kinds}`
    process.stdout.write(`${key ? 'key   ' : 'no key'} ${name.padEnd(15)} ${facts}\n`)
  }
}
