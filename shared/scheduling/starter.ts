import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable, wasTooSlow } from '../db.ts'
import { logger } from '../logger.ts'
import { BatchSize } from './batch-size.ts'
import { Lead } from './lead.ts'
import type { Places } from './places.ts'
import { Ready } from './ready.ts'
import { Releaser } from './release.ts'
import type { Held } from './state/fence.ts'
import { freeUnstarted } from './state/free.ts'
import { start } from './state/start.ts'
import type { Work } from './work.ts'

/** Executions that one statement starts at most, and how many statements are under way: the rest waits here, and not in front of a heartbeat. */
const START_BATCH = 1000
const START_LANES = 3

/** What is due and finds no place for so long is given back: another worker may have one. */
const OVERDUE_MS = 1000
const RETRY_MS = 250

/** Who runs what has started, at its very instant, or after it, since it was due when it was claimed; and who is told of what never will run here. */
type Runs = { now(due: Work[]): void; late(due: Work[]): void; never(work: Work): void }

/** Of runs by hand, and of quick ones, so many may be claimed for each place that is kept for them: they are short. */
const PER_KEPT_PLACE = 16

/** Brings claimed executions to their start: each at its own instant, and no more at once than there are places. */
export class Starter {
  readonly #sql: Database
  readonly #places: Places
  readonly #run: Runs
  readonly #lead = new Lead()
  readonly #batch = new BatchSize(START_BATCH)
  readonly #toStart = new Releaser<Work>((due) => this.#enqueue(due), this.#lead.before)
  readonly #toRun = new Releaser<Work>((due) => this.#run.now(due))
  /** Due, and waiting for a place or for a statement that takes it along. */
  readonly #ready = new Ready()
  #overdue: NodeJS.Timeout | undefined
  #starting = 0
  #freeing = false
  #stopped = false
  #freed: () => void = () => {}

  constructor(sql: Database, places: Places, run: Runs) {
    this.#sql = sql
    this.#places = places
    this.#run = run
  }

  /** `tell` is called when places have become free. */
  onFreed(tell: () => void): void {
    this.#freed = tell
  }

  /** How many places are taken. */
  get running(): number {
    return this.#places.taken
  }

  /** How many places are free for everyone; what waits for one has it already. */
  get room(): number {
    return Math.max(0, this.#places.free - this.#ready.size)
  }

  /** How many executions may be claimed that are quick, or run by hand, when there is no room for others. */
  get quickRoom(): number {
    return this.#places.kept * PER_KEPT_PLACE
  }

  /** Keeps so many places more for executions that will come started; less than 0 ends that. */
  reserve(count: number): void {
    this.#places.reserve(count)
    this.#startReady()
  }

  /** Takes on what waits for its instant. */
  add(works: Work[]): void {
    if (this.#stopped) this.#giveBack(works)
    else this.#toStart.add(works)
  }

  /** Takes on what was started with its claim. */
  addStarted(works: Work[]): void {
    this.#places.take(works)
    this.#run.late(works)
  }

  /** One has run. Hundreds have at once, and what waits for their places is to start together. */
  leave(work: Work): void {
    this.#places.leave(work)
    if (this.#freeing) return
    this.#freeing = true
    queueMicrotask(() => {
      this.#freeing = false
      this.#startReady()
      this.#freed()
    })
  }

  /** Starts nothing more: what waits is given back, as is what comes. */
  stop(): void {
    this.#stopped = true
    this.#giveBack([...this.#toStart.clear(), ...this.#ready.remove(() => true)])
  }

  #enqueue(due: Work[]): void {
    this.#ready.add(due)
    this.#startReady()
    if (this.#ready.size > 0) this.#overdue ??= setTimeout(() => this.#giveBackOverdue(), OVERDUE_MS)
  }

  #startReady(): void {
    while (this.#ready.size > 0 && this.#starting < START_LANES) {
      const batch = this.#takePlaces()
      if (batch.length === 0) return
      void this.#lane(batch)
    }
  }

  /** Gives those of the ready that have a place now. */
  #takePlaces(): Work[] {
    const count = Math.min(this.#batch.size, this.#places.free)
    if (count > 0) {
      const batch = this.#ready.take(count)
      this.#places.take(batch)
      return batch
    }
    if (this.#places.keptFree <= 0) return []
    const hanging = this.#places.hanging()
    return this.#ready.takeKept((work) => this.#places.takeKept(work, hanging))
  }

  async #lane(batch: Work[]): Promise<void> {
    this.#starting += 1
    await this.#start(batch)
    this.#starting -= 1
    this.#startReady()
  }

  #giveBackOverdue(): void {
    this.#overdue = undefined
    const since = performance.now() - OVERDUE_MS
    // There are places: it waits for the database, as it would anywhere.
    if (this.#places.free <= 0) this.#giveBack(this.#ready.remove(({ at }) => at <= since))
    if (this.#ready.size > 0) this.#overdue = setTimeout(() => this.#giveBackOverdue(), OVERDUE_MS)
  }

  /** While the database is away it is tried again, for as long as the lease holds: who has lost it has nothing to start. */
  async #start(batch: Work[]): Promise<void> {
    const held = batch.filter(({ claim }) => !claim.lost)
    try {
      const started = await this.#write(held)
      this.#batch.worked()
      this.#toRun.add(held.filter(({ execution }) => started.has(execution)))
      for (const work of batch) if (!started.has(work.execution)) this.#drop(work)
    } catch (error) {
      if (wasTooSlow(error)) this.#batch.tooSlow()
      for (const work of held) work.mayBeStarted ||= work.isExclusive && isUnreachable(error)
      logger.warn('executions could not be started', { count: held.length, error: error as Error })
      await wait(RETRY_MS)
      for (const work of batch) this.#places.leave(work)
      if (this.#stopped) this.#giveBack(batch)
      else this.#enqueue(batch)
    }
  }

  /** Its claim has passed on. */
  #drop(work: Work): void {
    this.leave(work)
    this.#run.never(work)
  }

  /** Gives those that may run. */
  async #write(held: Work[]): Promise<Set<Held>> {
    if (held.length === 0) return new Set()
    const now = performance.now()
    for (const work of held) work.at = Math.max(work.at, now)
    const starting = held.map(({ execution, at, mayBeStarted }) => ({
      execution,
      inMs: at - now,
      mayBeStarted,
    }))
    const started = await start(this.#sql, starting)
    this.#lead.hear(held.length, performance.now() - now)
    return started
  }

  #giveBack(works: Work[]): void {
    if (works.length > 0) void this.#giveBackUntilDone(works)
  }

  /** While the database is away it is tried again; what can't be given back is free when the lease of its claim ends. */
  async #giveBackUntilDone(works: Work[]): Promise<void> {
    const held = works.filter(({ claim }) => !claim.lost)
    try {
      const executions = held.map(({ execution }) => execution)
      if (held.length > 0) await freeUnstarted(this.#sql, executions)
      for (const work of works) this.#run.never(work)
    } catch (error) {
      logger.warn('executions could not be given back', { count: held.length, error: error as Error })
      await wait(RETRY_MS)
      await this.#giveBackUntilDone(works)
    }
  }
}
