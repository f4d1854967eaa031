import { logger } from '../logger.ts'

/** Tasks that are remembered; when there are more, they are found again. */
const REMEMBERED = 10_000

/** Tasks of types that this process has no runner for, by their ids: in a rolling deployment a newer process has it. */
const left = new Map<number, string>()

/** Remembers that this process leaves a task to others, and says so once for each type. */
export function leaveToOthers(taskId: number, type: string): void {
  if (!unknownTypes().includes(type)) {
    const detail = 'no runner for this type here: its tasks wait for a process that has one'
    logger.warn('tasks are left to others', { type, task_id: taskId, detail })
  }
  if (left.size >= REMEMBERED) left.clear()
  left.set(taskId, type)
}

/** The ids of the tasks that this process leaves to others. */
export const leftToOthers = (): number[] => [...left.keys()]

/** Their types. */
export const unknownTypes = (): string[] => [...new Set(left.values())]
