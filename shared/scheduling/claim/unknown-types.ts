import { logger } from '../../logger.ts'

/** How many tasks are remembered. Others are found again. */
const REMEMBERED = 10_000

/** How many milliseconds later a task is tried again. */
const LEFT_MS = 60_000

type Left = { type: string; until: number }

/** Tasks that this process has no runner for, by id. In a rolling deployment a newer process has it. */
const left = new Map<number, Left>()

type Unknown = { taskId: number; type: string; dueForMs: number; graceSeconds: number }

/**
 * Leaves a task to other processes, and logs that once per type. Once the task has been due for longer than its misfire
 * grace, no other process has a runner for it either; that is logged each minute.
 */
export function leaveToOthers({ taskId, type, dueForMs, graceSeconds }: Unknown): void {
  const isNew = !unknownTypes().includes(type)
  const nobodyHas = dueForMs > graceSeconds * 1000
  if (isNew && nobodyHas) {
    const detail = `due for longer than its misfire grace: no process has a runner for ${type}`
    logger.warn('task does not run', {
      task_id: taskId,
      type,
      due_for_s: Math.round(dueForMs / 1000),
      detail,
    })
  } else if (isNew) {
    const detail = 'this process has no runner for the type, so its tasks wait for one that has'
    logger.warn('tasks are left to others', { type, task_id: taskId, detail })
  }
  if (left.size >= REMEMBERED) left.clear()
  left.set(taskId, { type, until: performance.now() + LEFT_MS })
}

/** Returns the ids of the tasks that this process leaves to others. */
export function leftToOthers(): number[] {
  const now = performance.now()
  for (const [id, { until }] of left) if (until <= now) left.delete(id)
  return [...left.keys()]
}

/** Returns the types of those tasks. */
export const unknownTypes = (): string[] => [...new Set([...left.values()].map(({ type }) => type))]
