import { logger } from '../../logger.ts'

/** Tasks that are remembered; when there are more, they are found again. */
const REMEMBERED = 10_000

/** Milliseconds until one that is still due is looked at again. */
const LEFT_MS = 60_000

type Left = { type: string; until: number }

/** Tasks of types that this process has no runner for, by their ids: in a rolling deployment a newer process has it. */
const left = new Map<number, Left>()

type Unknown = { taskId: number; type: string; dueForMs: number; graceSeconds: number }

/**
 * Remembers that this process leaves a task to others, and says so once for each type; and then each minute, when it has been due for longer than its
 * misfire grace: then no other process has a runner for it either.
 */
export function leaveToOthers({ taskId, type, dueForMs, graceSeconds }: Unknown): void {
  const isNew = !unknownTypes().includes(type)
  const nobodyHas = dueForMs > graceSeconds * 1000
  if (isNew && nobodyHas) {
    const detail = `due for longer than its misfire grace: no process that ticks has a runner for ${type}`
    logger.warn('task does not run', {
      task_id: taskId,
      type,
      due_for_s: Math.round(dueForMs / 1000),
      detail,
    })
  } else if (isNew) {
    const detail = 'no runner for this type here: its tasks wait for a process that has one'
    logger.warn('tasks are left to others', { type, task_id: taskId, detail })
  }
  if (left.size >= REMEMBERED) left.clear()
  left.set(taskId, { type, until: performance.now() + LEFT_MS })
}

/** The ids of the tasks that this process leaves to others. */
export function leftToOthers(): number[] {
  const now = performance.now()
  for (const [id, { until }] of left) if (until <= now) left.delete(id)
  return [...left.keys()]
}

/** Their types. */
export const unknownTypes = (): string[] => [...new Set([...left.values()].map(({ type }) => type))]
