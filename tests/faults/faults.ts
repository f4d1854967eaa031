import { setTimeout as delay } from 'node:timers/promises'
import type { Replica } from '../chaos/replica.ts'
import type { Link } from '../setup/link.ts'

type Stage = { link: Link; replicas: Replica[]; leaseSeconds: number }

export type Fault = {
  name: string
  replicas: number
  /**
   * The `crash_limit` of all tasks. If it is 0, any loss that counts towards it pauses the task, and the test fails.
   */
  crashLimit: number
  /** Causes the fault. Resolves when the fault is over. */
  happen(stage: Stage): Promise<void>
  /** Set if the fault freezes processes. They resume mid-call, so calls may overlap for a second after the fault. */
  isFrozen?: true
  /** Set if the replicas connect to the database with `sslmode=verify-full`. */
  tls?: true
}

/** Waits for 1.5 times the lease. */
const longer = ({ leaseSeconds }: Stage): Promise<void> => delay(leaseSeconds * 1500)

export const FAULTS: Fault[] = [
  {
    name: 'replica frozen',
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
    name: 'database stalled',
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
    name: 'all TLS connections half-open',
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
    name: 'heartbeat connection half-open',
    replicas: 1,
    crashLimit: 0,
    async happen({ link }) {
      link.vanish((wire) => wire.says('task-scheduler heartbeat'))
    },
  },
  {
    name: 'settler connection half-open',
    replicas: 1,
    crashLimit: 0,
    async happen({ link }) {
      link.vanish((wire) => wire.says('insert into executions'))
    },
  },
]
