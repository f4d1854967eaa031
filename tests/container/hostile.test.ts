import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { ATTACKS, underAttack } from './hostile/attack.ts'

const CONNECTIONS = 1000
const SECONDS = 5

/** The memory that a thousand hostile connections may take, in MB. */
const ALLOWED_MB = 64

const isLinux = existsSync('/proc/self/status')

const cases = Object.entries(ATTACKS).flatMap(([name, attack]) =>
  [undefined, 'a-key-of-some-length'].map((key) => ({ name, attack, key, keyed: key ? 'a' : 'no' })),
)

// As behind a proxy, where all connections may come from one address. With the defaults, most of these connections
// would be refused.
const LIMITS = { MAX_CONNECTIONS: '1100', MAX_CONNECTIONS_PER_ADDRESS: '1000' }

test.for(cases)(
  `with $keyed key, ${CONNECTIONS} connections of the kind "$name" neither take much memory nor stop other clients`,
  { timeout: 60_000 },
  async ({ attack, key }, { skip }) => {
    skip(!isLinux, 'memory is read from /proc, and hostile clients connect from 127.0.0.2: Linux only')
    let replica: Replica | undefined
    try {
      const env = { ...LIMITS, API_KEY: key ?? '', LOG_LEVEL: 'WARN' }
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
