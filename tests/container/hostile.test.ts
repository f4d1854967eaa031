import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { ATTACKS, underAttack } from './hostile/attack.ts'

const CONNECTIONS = 1000
const SECONDS = 3

/** The memory that a thousand hostile connections may take, in MB. */
const ALLOWED_MB = 64

const isLinux = existsSync('/proc/self/status')

const cases = Object.entries(ATTACKS).flatMap(([name, attack]) =>
  [undefined, 'a-key-of-some-length'].map((key) => ({ name, attack, key, keyed: key ? 'a' : 'no' })),
)

test.for(cases)(
  `with $keyed key, ${CONNECTIONS} connections of the kind "$name" neither take much memory nor stop other clients`,
  { timeout: 60_000 },
  async ({ attack, key }, { skip }) => {
    skip(!isLinux, 'memory is read from /proc, and hostile clients connect from 127.0.0.2: Linux only')
    let replica: Replica | undefined
    try {
      const env = { API_KEY: key ?? '', LOG_LEVEL: 'WARN' }
      replica = await startReplica(process.env.DATABASE_URL ?? '', env)
      const plan = { attack, key, connections: CONNECTIONS, seconds: SECONDS }
      const { grownMb, good } = await underAttack(replica, plan)
      expect(good.errors).toEqual([])
      expect(good.requests).toBe(SECONDS * 40)
      expect(grownMb).toBeLessThan(ALLOWED_MB)
    } finally {
      await replica?.kill()
    }
  },
)

// Lets one address open all the connections, as if they came from several addresses.
const FULL = { MAX_CONNECTIONS: String(CONNECTIONS), MAX_CONNECTIONS_PER_ADDRESS: String(CONNECTIONS) }

test.for(Object.entries(ATTACKS))(
  'even if they are all that the server accepts, connections of the kind "%s" neither take much memory nor stop others',
  { timeout: 60_000 },
  async ([, attack], { skip }) => {
    skip(!isLinux, 'hostile clients connect from 127.0.0.2: Linux only')
    const replica = await startReplica(process.env.DATABASE_URL ?? '', {
      ...FULL,
      API_KEY: '',
      LOG_LEVEL: 'WARN',
    })
    try {
      const plan = { attack, key: undefined, connections: CONNECTIONS, seconds: SECONDS }
      const { grownMb, good } = await underAttack(replica, plan)
      expect(good).toMatchObject({ errors: [], requests: SECONDS * 40 })
      expect(grownMb).toBeLessThan(ALLOWED_MB)
    } finally {
      await replica.kill()
    }
  },
)
