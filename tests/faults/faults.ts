import { setTimeout as delay } from 'node:timers/promises'
import type { Replica } from '../chaos/replica.ts'
import type { Link } from '../setup/link.ts'

type Stage = { link: Link; replicas: Replica[]; leaseSeconds: number }

export type Fault = {
  name: string
  replicas: number
  /** How many losses of one occurrence pause its task; 0 where no worker is to blame. */
  crashLimit: number
  /** Causes the fault. Resolves when it is over. */
  happen(stage: Stage): Promise<void>
  /** Its processes continue in the middle of their calls, so for a second after that targets may see two at once. */
  isFrozen?: true
  /** Over `sslmode=verify-full`. */
  tls?: true
}

/** How long it lasts: one and a half leases. */
const longer = ({ leaseSeconds }: Stage): Promise<void> => delay(leaseSeconds * 1500)

export const FAULTS: Fault[] = [
  {
    name: 'replica stopped',
    replicas: 2,
    crashLimit: 3,
    isFrozen: true,
    async happen(stage) {
      stage.replicas[0]?.freeze()
      await longer(stage)
      stage.replicas[0]?.thaw()
    },
  },
  {
    name: 'database stopped',
    replicas: 2,
    crashLimit: 0,
    async happen(stage) {
      stage.link.stall()
      await longer(stage)
      stage.link.resume()
    },
  },
  {
    name: 'slow link',
    replicas: 1,
    crashLimit: 0,
    async happen(stage) {
      stage.link.delay(200)
      await longer(stage)
      stage.link.delay(0)
    },
  },
  {
    name: 'all connections half-open',
    replicas: 1,
    crashLimit: 0,
    async happen({ link }) {
      link.vanish()
    },
  },
  {
    name: 'all of them, over TLS',
    replicas: 1,
    crashLimit: 0,
    tls: true,
    async happen({ link }) {
      link.vanish()
    },
  },
  {
    name: 'half of the connections half-open',
    replicas: 2,
    crashLimit: 0,
    async happen({ link }) {
      let index = 0
      link.vanish(() => index++ % 2 === 0)
    },
  },
  {
    name: 'the heartbeat’s half-open',
    replicas: 1,
    crashLimit: 0,
    async happen({ link }) {
      link.vanish((wire) => wire.says('task-scheduler heartbeat'))
    },
  },
  {
    name: 'the settler’s half-open',
    replicas: 1,
    crashLimit: 0,
    async happen({ link }) {
      link.vanish((wire) => wire.says('insert into executions'))
    },
  },
]
