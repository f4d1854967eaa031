import { randomUUID } from 'node:crypto'
import { BatchSize } from '../../batch-size.ts'
import { DatabaseClock } from '../../clock.ts'
import { Counters } from '../../counting/counters.ts'
import { FairHalf } from '../../fair-half.ts'
import { UnreceivedClaims } from '../repair/unreceived.ts'
import { Definitions } from './definitions.ts'
import { UnknownTypes } from './unknown-types.ts'

/**
 * Maximum number of executions that one transaction claims. Larger batches are hardly faster, and hold their locks
 * longer.
 */
const BATCH = 2000

/** State that a process keeps between claims. Losing it in a restart does no harm. */
export class ClaimMemory {
  /** This process's id, which its claims carry. */
  readonly workerId = randomUUID()
  /** Counts what ticks and claims do. */
  readonly counters: Counters
  readonly clock = new DatabaseClock()
  readonly definitions = new Definitions()
  readonly unknownTypes = new UnknownTypes()
  readonly unreceived = new UnreceivedClaims()
  readonly batch = new BatchSize(BATCH)
  readonly queuedShare = new FairHalf()
  readonly manualShare = new FairHalf()

  constructor(counters = new Counters()) {
    this.counters = counters
  }
}
