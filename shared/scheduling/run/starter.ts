import { setTimeout as wait } from 'node:timers/promises'
import { BatchSize } from '../../batch-size.ts'
import { isUnreachable, wasTooSlow } from '../../db.ts'
import { logger } from '../../logger.ts'
import type { SetPools } from '../../set-pools.ts'
import { lastChange } from '../control/stop-early.ts'
import type { Held } from '../state/fence.ts'
import { freeNeverRun, freeUnstarted } from '../state/free.ts'
import { start } from '../state/start.ts'
import { DueTimer } from './due-timer.ts'
import { EarlyStarts } from './early-starts.ts'
import type { HeldExecution } from './held.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { Slots } from './slots.ts'
import { StartLead } from './start-lead.ts'

/**
 * Maximum number of executions per start statement, and maximum number of such statements in flight. Further executions
 * wait here, so that they don't delay a heartbeat.
 */
const BATCH = 1000
const MAX_IN_FLIGHT = 3

/**
 * Due executions that get no slot within this many milliseconds are freed, since another worker may have a free slot.
 */
const PATIENCE_MS = 1000
const RETRY_MS = 250

/**
 * A start statement also writes starts that are due a little later, up to `ALONG` in all, and up to `EARLY_MS` before
 * they are due. This saves a statement for each of them. Once its start is written, an execution counts as running, so
 * a pause or a change to its task comes too late. If many executions are due at the same time, their starts are written
 * even earlier, and `EarlyStarts` checks them again.
 */
const ALONG = 20
const EARLY_MS = 50

/** Callbacks that report what happened to executions. */
type Listener = {
  /** Called when executions whose start has been written are due. */
  started(items: HeldExecution[]): void
  /** Called when an execution won't run here: it was freed, or has lost its claim. */
  dropped(item: HeldExecution): void
}

/**
 * How many manual and quick runs may be claimed for each kept slot. Such runs are expected to be short.
 */
const CLAIMS_PER_KEPT_SLOT = 16

type Options = {
  pools: SetPools
  slots: Slots
}

/** Starts claimed executions, each at its own due time, and never more at once than there are slots. */
export class Starter {
  readonly #pools: SetPools
  readonly #slots: Slots
  readonly #tell: Listener
  readonly #lead = new StartLead()
  readonly #batch = new BatchSize(BATCH)
  /** Executions that wait until it is time to write their start. */
  readonly #toStart = new DueTimer<HeldExecution>((due) => this.#enqueue(due), {
    leadMs: this.#lead.before,
    along: () => this.#along(),
  })
  /** Executions whose start was written a little ahead of time, and that wait for their exact due time. */
  readonly #started = new DueTimer<HeldExecution>((due) => this.#tell.started(due))
  /** Executions whose start was written more than `EARLY_MS` ahead of time. */
  readonly #early: EarlyStarts
  /** Due executions that wait for a slot or a statement. */
  readonly #ready = new ReadyQueue()
  #impatience: NodeJS.Timeout | undefined
  #inFlight = 0
  #isFreeing = false
  #isStopped = false
  #onFreed: () => void = () => {}

  constructor({ pools, slots }: Options, tell: Listener) {
    this.#pools = pools
    this.#slots = slots
    this.#tell = tell
    this.#early = new EarlyStarts(pools.any, {
      confirmed: (items) => this.#started.add(items),
      stopped: (item) => this.#drop(item),
    })
  }

  /** Registers a callback for when slots have become free. */
  onFreed(callback: () => void): void {
    this.#onFreed = callback
  }

  /** Number of free common slots, not counting those that executions in the queue will take. */
  get freeSlots(): number {
    return Math.max(0, this.#slots.free - this.#ready.size)
  }

  /** Number of manual runs and quick runs that may be claimed while no common slot is free. */
  get quickCapacity(): number {
    return this.#slots.keptTotal * CLAIMS_PER_KEPT_SLOT
  }

  /** Reserves `count` common slots for claims in flight; a negative count releases them. */
  reserve(count: number): void {
    this.#slots.reserve(count)
    this.#startReady()
  }

  /** Adds executions that wait for their due time. */
  add(items: HeldExecution[]): void {
    if (this.#isStopped) this.#free(items)
    else this.#toStart.add(items)
  }

  /**
   * Frees an execution's slot, if it has one. Hundreds of slots may become free at once, and the executions that get
   * these slots are started with one statement.
   */
  leave(item: HeldExecution): void {
    this.#slots.leave(item)
    if (this.#isFreeing) return
    this.#isFreeing = true
    queueMicrotask(() => {
      this.#isFreeing = false
      this.#startReady()
      this.#onFreed()
    })
  }

  /** Stops starting executions. Frees the executions that are waiting, and any that still arrive. */
  stop(): void {
    this.#isStopped = true
    this.#free([...this.#toStart.clear(), ...this.#ready.remove(() => true)])
    this.#free(this.#early.clear(), freeNeverRun)
  }

  /**
   * Returns the limits for early starts. Since executions that start early already occupy slots, they never get more
   * than half of the free slots.
   */
  #along(): { most: number; withinMs: number } {
    return {
      most: Math.min(ALONG, Math.floor(this.freeSlots / 2)),
      withinMs: Math.max(0, EARLY_MS - this.#lead.before(1)),
    }
  }

  #enqueue(due: HeldExecution[]): void {
    this.#ready.add(due)
    this.#startReady()
    if (this.#ready.size > 0) this.#impatience ??= setTimeout(() => this.#freeOverdue(), PATIENCE_MS)
  }

  #startReady(): void {
    while (this.#ready.size > 0 && this.#inFlight < MAX_IN_FLIGHT) {
      const batch = this.#takeReady()
      if (batch.length === 0) return
      this.#inFlight += 1
      void this.#start(batch).finally(() => {
        this.#inFlight -= 1
        this.#startReady()
      })
    }
  }

  /** Returns the executions that get a slot now. */
  #takeReady(): HeldExecution[] {
    const count = Math.min(this.#batch.size, this.#slots.free)
    if (count > 0) {
      const batch = this.#ready.take(count)
      this.#slots.take(batch)
      return batch
    }
    if (this.#slots.keptFree <= 0) return []
    const hanging = this.#slots.hanging()
    return this.#ready.takeKept((item) => this.#slots.takeKept(item, hanging))
  }

  #freeOverdue(): void {
    this.#impatience = undefined
    const before = performance.now() - PATIENCE_MS
    // Executions are freed only if no slot is free. Otherwise, they are waiting for a slow database, and another worker
    // wouldn't start them sooner.
    if (this.#slots.free <= 0) this.#free(this.#ready.remove(({ at }) => at <= before))
    if (this.#ready.size > 0) this.#impatience = setTimeout(() => this.#freeOverdue(), PATIENCE_MS)
  }

  /** Writes the start of a batch. If that fails, retries until the leases expire. */
  async #start(batch: HeldExecution[]): Promise<void> {
    const held = batch.filter(({ claim }) => !claim.lost)
    try {
      const change = held.some(isEarly) ? await lastChange(this.#pools.any) : 0
      const started = await this.#write(held)
      this.#batch.worked()
      this.#hold(
        held.filter(({ execution }) => started.has(execution)),
        change,
      )
      for (const item of batch) if (!started.has(item.execution)) this.#drop(item)
    } catch (error) {
      this.#noteFailure(held, error)
      logger.warn('executions could not be started', { count: held.length, error: error as Error })
      await wait(RETRY_MS)
      for (const item of batch) this.#slots.leave(item)
      if (this.#isStopped) this.#free(batch)
      else this.#enqueue(batch)
    }
  }

  /** Holds executions until they are due. Their start has been written. */
  #hold(items: HeldExecution[], change: number): void {
    const early = items.filter(isEarly)
    this.#started.add(items.filter((item) => !isEarly(item)))
    if (this.#isStopped) this.#free(early, freeNeverRun)
    else this.#early.add(early, change)
  }

  #drop(item: HeldExecution): void {
    this.leave(item)
    this.#tell.dropped(item)
  }

  #noteFailure(held: HeldExecution[], error: unknown): void {
    if (wasTooSlow(error)) this.#batch.tooSlow()
    if (!isUnreachable(error)) return
    this.#pools.failed()
    for (const item of held) item.mayBeStarted ||= item.claim.isExclusive
  }

  /** Writes the starts. Returns the executions that have started. The others have lost their claims. */
  async #write(held: HeldExecution[]): Promise<Set<Held>> {
    if (held.length === 0) return new Set()
    const now = performance.now()
    for (const item of held) item.at = Math.max(item.at, now)
    const starting = held.map(({ execution, at, mayBeStarted }) => ({
      execution,
      inMs: at - now,
      mayBeStarted,
    }))
    const started = await start(this.#pools.for(starting.length), starting)
    this.#lead.record(held.length, performance.now() - now)
    return started
  }

  #free(items: HeldExecution[], free: Free = freeUnstarted): void {
    if (items.length > 0) void this.#freeUntilDone(items, free)
  }

  /** Frees executions. If that fails, retries until their leases expire; `recover` then frees them. */
  async #freeUntilDone(items: HeldExecution[], free: Free): Promise<void> {
    const held = items.filter(({ claim }) => !claim.lost)
    try {
      const executions = held.map(({ execution }) => execution)
      if (held.length > 0) await free(this.#pools.any, executions)
      for (const item of items) this.#drop(item)
    } catch (error) {
      logger.warn('executions could not be freed', { count: held.length, error: error as Error })
      await wait(RETRY_MS)
      await this.#freeUntilDone(items, free)
    }
  }
}

type Free = typeof freeUnstarted

const isEarly = ({ at }: HeldExecution): boolean => at - performance.now() > EARLY_MS
