import type { ClaimedExecution } from '../claim/claim.ts'
import type { HeldExecution, Share } from './held.ts'

/**
 * One in `KEPT_SHARE` slots is kept for quick work, up to `KEPT_MAX`. With 8 or more slots, at least two are kept,
 * since one long run could occupy a single kept slot. With fewer than 4 slots, no slot is kept.
 */
const KEPT_SHARE = 8
const KEPT_MAX = 16
const TWO_KEPT_FROM = 8
const KEPT_FROM = 4

/** A run that takes longer than this (ms) is slow, even if its task's last run was quick. */
const SLOW_MS = 1000

/** Returns how many of `slots` are kept for quick work. */
export function keptSlots(slots: number): number {
  if (slots < KEPT_FROM) return 0
  return Math.min(KEPT_MAX, Math.max(slots < TWO_KEPT_FROM ? 1 : 2, Math.floor(slots / KEPT_SHARE)))
}

/**
 * The executions that hold slots of one share, as a linked list, oldest slot first. Removing an execution takes
 * constant time, wherever it is in the list. There may be a hundred thousand removals a second.
 */
class TakenSlots {
  oldest: HeldExecution | undefined
  #latest: HeldExecution | undefined
  size = 0

  /**
   * Appends an execution. An execution that moves here from the other share is inserted according to the age of its
   * slot instead.
   */
  add(item: HeldExecution): void {
    const latest = this.#latest
    const after = latest && latest.slotSince > item.slotSince ? this.#firstAfter(item.slotSince) : undefined
    const before = after ? after.before : latest
    item.before = before
    item.after = after
    if (before) before.after = item
    else this.oldest = item
    if (after) after.before = item
    else this.#latest = item
    this.size += 1
  }

  remove(item: HeldExecution): void {
    const { before, after } = item
    if (before) before.after = after
    else this.oldest = after
    if (after) after.before = before
    else this.#latest = before
    item.before = undefined
    item.after = undefined
    this.size -= 1
  }

  *[Symbol.iterator](): Generator<HeldExecution> {
    for (let item = this.oldest; item; item = item.after) yield item
  }

  #firstAfter(since: number): HeldExecution | undefined {
    for (const item of this) if (item.slotSince > since) return item
    return undefined
  }
}

/** For each share, the number of its slots, and of those that each task type has taken. */
export type SlotUse = Record<Share, { slots: number; taken: Map<string, number> }>

/**
 * Decides what may run. Most slots are common: any run may use them. A few are kept for manual runs, for tasks whose
 * last run was quick, and for new tasks. A new task can't use a kept slot if its target may be hanging. No target gets
 * more than half of the kept slots. See docs/adr/0017-fair-shares.md.
 */
export class Slots {
  readonly #commonTotal: number
  readonly #keptTotal: number
  readonly #taken: Record<Share, TakenSlots> = { common: new TakenSlots(), kept: new TakenSlots() }
  #reserved = 0
  /** The last time span in which all common slots were taken. `until` is infinite while all of them are still taken. */
  #full = { from: Number.NEGATIVE_INFINITY, until: Number.NEGATIVE_INFINITY }
  /** The end of the span before `#full`. */
  #wasFullUntil = Number.NEGATIVE_INFINITY

  constructor(total: number) {
    this.#keptTotal = keptSlots(total)
    this.#commonTotal = total - this.#keptTotal
  }

  /** Number of free common slots. */
  get free(): number {
    return this.#commonTotal - this.#taken.common.size - this.#reserved
  }

  /** Number of slots taken in both shares together. */
  get taken(): number {
    return this.#taken.common.size + this.#taken.kept.size
  }

  get keptFree(): number {
    return this.#keptTotal - this.#taken.kept.size
  }

  get keptTotal(): number {
    return this.#keptTotal
  }

  /** Reserves `count` common slots for claims in flight; a negative count releases them. */
  reserve(count: number): void {
    this.#reserved += count
  }

  /** Puts each execution into a common slot. */
  take(items: HeldExecution[]): void {
    const since = performance.now()
    for (const item of items) this.#add(item, 'common', since)
    this.#noteFull()
  }

  /**
   * Puts an execution into a kept slot if it may use one. `hanging`: the result of `hanging()`. Returns whether the
   * execution got a slot.
   */
  takeKept(item: HeldExecution, hanging: Set<string>): boolean {
    if (this.keptFree <= 0 || !mayUseKept(item.execution, hanging)) return false
    const others = [...this.#taken.kept]
    const sameTarget = others.filter((other) => targetOf(other) === targetOf(item))
    if (sameTarget.length >= Math.max(1, Math.floor(this.#keptTotal / 2))) return false
    if (isNew(item.execution) && !this.#hasRoomForNew(others)) return false
    this.#add(item, 'kept', performance.now())
    return true
  }

  /**
   * Returns whether another new task may get a kept slot. It isn't known yet whether a new task is quick, so new tasks
   * get at most a quarter of the kept slots at a time, but at least one. New tasks that turn out to be slow no longer
   * count toward that quarter. Together, all new tasks, whatever their targets, leave at least a quarter of the kept
   * slots free for other executions. If only one slot is kept, new tasks don't get it.
   */
  #hasRoomForNew(others: HeldExecution[]): boolean {
    const before = performance.now() - SLOW_MS
    const newOnes = others.filter(({ execution }) => isNew(execution))
    const stillQuick = newOnes.filter(({ slotSince }) => slotSince > before)
    const quarter = Math.max(1, Math.floor(this.#keptTotal / 4))
    return stillQuick.length < quarter && newOnes.length < this.#keptTotal - quarter
  }

  #add(item: HeldExecution, share: Share, since: number): void {
    item.share = share
    item.slotSince = since
    this.#taken[share].add(item)
  }

  /** Frees an execution's slot, if it has one. */
  leave(item: HeldExecution): void {
    const { share } = item
    if (!share) return
    item.share = undefined
    this.#taken[share].remove(item)
    if (share === 'common') this.#relieveKept()
    this.#noteFull()
  }

  /** Moves the oldest run out of the kept slots if it turned out to be slow and a common slot is free. */
  #relieveKept(): void {
    const { oldest } = this.#taken.kept
    if (!oldest || this.free <= 0 || performance.now() - oldest.slotSince < SLOW_MS) return
    this.#taken.kept.remove(oldest)
    oldest.share = 'common'
    this.#taken.common.add(oldest)
  }

  /**
   * Returns the targets that are or may be hanging: the targets of slow runs, and the targets of running new tasks,
   * which may turn out to be slow.
   */
  hanging(): Set<string> {
    const before = performance.now() - SLOW_MS
    const targets = new Set<string>()
    for (const taken of Object.values(this.#taken)) {
      for (const item of taken) {
        if (item.slotSince <= before || isNew(item.execution)) targets.add(targetOf(item))
      }
    }
    return targets
  }

  /** Returns whether all common slots were taken at some time between `from` and `to` (`performance.now()`). */
  wereFull({ from, to }: { from: number; to: number }): boolean {
    const last = this.#full.from < to ? this.#full.until : this.#wasFullUntil
    return last >= from
  }

  /**
   * Records when the last free common slot is taken, and when a common slot becomes free again. Reserved slots don't
   * count as taken, since they may stay unused.
   */
  #noteFull(): void {
    const isFull = this.#taken.common.size >= this.#commonTotal
    const wasFull = this.#full.until === Number.POSITIVE_INFINITY
    if (isFull === wasFull) return
    const now = performance.now()
    if (wasFull) this.#full.until = now
    else {
      this.#wasFullUntil = this.#full.until
      this.#full = { from: now, until: Number.POSITIVE_INFINITY }
    }
  }

  use(): SlotUse {
    return {
      common: { slots: this.#commonTotal, taken: countByType(this.#taken.common) },
      kept: { slots: this.#keptTotal, taken: countByType(this.#taken.kept) },
    }
  }

  /**
   * Returns the names of the tasks that have held slots of a share the longest, up to `count` of them, and how long the
   * first of them has held its slot, in milliseconds.
   */
  longest(share: Share, count: number): { names: string[]; ms: number } {
    const { oldest } = this.#taken[share]
    const names: string[] = []
    for (const item of this.#taken[share]) {
      if (names.length === count) break
      names.push(item.execution.task.name)
    }
    return { names, ms: oldest ? performance.now() - oldest.slotSince : 0 }
  }
}

function countByType(taken: Iterable<HeldExecution>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { execution } of taken)
    counts.set(execution.task.type, (counts.get(execution.task.type) ?? 0) + 1)
  return counts
}

const targetOf = ({ execution }: HeldExecution): string => execution.task.target

const isNew = ({ trigger, lastRun }: ClaimedExecution): boolean =>
  trigger === 'schedule' && lastRun === 'none'

function mayUseKept(execution: ClaimedExecution, hanging: Set<string>): boolean {
  const { trigger, attempt, lastRun, task } = execution
  if (trigger !== 'schedule') return true
  if (attempt > 1 || lastRun === 'slow') return false
  return lastRun === 'quick' || !hanging.has(task.target)
}
