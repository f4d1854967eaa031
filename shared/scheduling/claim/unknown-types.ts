import { logger } from '../../logger.ts'
import type { Definition } from './definition.ts'

/** How many tasks are remembered. Others are found again. */
const REMEMBERED = 10_000

/** How many milliseconds later a task is tried again. */
const LEFT_MS = 60_000

type Left = { type: string; until: number }

/** The tasks that this process has no runner for. In a rolling deployment a newer process has it. */
export class UnknownTypes {
  readonly #left = new Map<number, Left>()

  /**
   * Returns whether this process has a runner for the task's type. If not, leaves the task to other processes for a
   * minute. `dueForMs`: how long it has been due.
   */
  isRunnable(task: Definition, dueForMs: number): boolean {
    const { work } = task
    if (!('problem' in work) || work.unknownType === undefined) return true
    this.#leave(task, work.unknownType, dueForMs)
    return false
  }

  /**
   * Logs it once per type. Once the task has been due for longer than its misfire grace, no other process has a runner
   * for it either, and that is logged each minute.
   */
  #leave({ id, misfire_grace_seconds: graceSeconds }: Definition, type: string, dueForMs: number): void {
    const isNew = !this.types().includes(type)
    const nobodyHas = dueForMs > graceSeconds * 1000
    if (isNew && nobodyHas) {
      const detail = `due for longer than its misfire grace: no process has a runner for ${type}`
      logger.warn('task does not run', {
        task_id: id,
        type,
        due_for_s: Math.round(dueForMs / 1000),
        detail,
      })
    } else if (isNew) {
      const detail = 'this process has no runner for the type, so its tasks wait for one that has'
      logger.warn('tasks are left to others', { type, task_id: id, detail })
    }
    if (this.#left.size >= REMEMBERED) this.#left.clear()
    this.#left.set(id, { type, until: performance.now() + LEFT_MS })
  }

  /** Returns the ids of the tasks that are left to other processes. */
  taskIds(): number[] {
    const now = performance.now()
    for (const [id, { until }] of this.#left) if (until <= now) this.#left.delete(id)
    return [...this.#left.keys()]
  }

  /** Returns the types of those tasks. */
  types(): string[] {
    return [...new Set([...this.#left.values()].map(({ type }) => type))]
  }
}
