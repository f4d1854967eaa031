import { logger } from '../../logger.ts'
import type { Definition } from './definition.ts'

/** Maximum number of tasks that are remembered. A forgotten task is remembered again when it is next claimed. */
const REMEMBERED = 10_000

/** Milliseconds until a task is tried again, and minimum time between two warnings about the same type. */
const LEFT_MS = 60_000

type Left = { type: string; until: number }

/** The tasks that this process has no runner for. In a rolling deployment, a newer process may have one. */
export class UnknownTypes {
  readonly #left = new Map<number, Left>()
  /** The time of the last warning about each type, on the monotonic clock. */
  readonly #warnedAt = new Map<string, number>()

  /**
   * Returns whether this process has a runner for the task's type. If not, this process ignores the task for a minute,
   * so that another process can claim it. `dueForMs`: how long the task has been due.
   */
  isRunnable(task: Definition, dueForMs: number): boolean {
    const { work } = task
    if (!('problem' in work) || work.unknownType === undefined) return true
    this.#leave(task, work.unknownType, dueForMs)
    return false
  }

  #leave(task: Definition, type: string, dueForMs: number): void {
    const now = performance.now()
    if (now - (this.#warnedAt.get(type) ?? Number.NEGATIVE_INFINITY) >= LEFT_MS) {
      if (this.#warnedAt.size >= REMEMBERED) this.#warnedAt.clear()
      this.#warnedAt.set(type, now)
      warn(task, type, dueForMs)
    }
    if (this.#left.size >= REMEMBERED) this.#left.clear()
    this.#left.set(task.id, { type, until: now + LEFT_MS })
  }

  /** Returns the ids of the tasks that this process ignores for now. */
  taskIds(): number[] {
    const now = performance.now()
    for (const [id, { until }] of this.#left) if (until <= now) this.#left.delete(id)
    return [...this.#left.keys()]
  }

  /** Returns the types of the ignored tasks. */
  types(): string[] {
    return [...new Set([...this.#left.values()].map(({ type }) => type))]
  }
}

/**
 * Warns about a task that this process has no runner for. If the task has been due for longer than its misfire grace
 * period, presumably no other process has a runner either, and the warning says so.
 */
function warn({ id, misfire_grace_seconds }: Definition, type: string, dueForMs: number): void {
  if (dueForMs > misfire_grace_seconds * 1000) {
    const detail = `due for longer than its misfire grace period: no process has a runner for ${type}`
    logger.warn('task does not run', { task_id: id, type, due_for_s: Math.round(dueForMs / 1000), detail })
  } else {
    const detail = 'this process has no runner for the type, so its tasks wait for a process that has one'
    logger.warn('tasks left to other processes', { type, task_id: id, detail })
  }
}
