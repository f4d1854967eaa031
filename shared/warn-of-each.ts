import { logger } from './logger.ts'

/** Maximum number of lines that one call logs. Further executions are only counted. */
const MOST = 20

/** Logs a WARN for each of the first 20 executions, and then one more with the number of those left. */
export function warnOfEach(message: string, executions: { id: number; task_id: number }[]): void {
  for (const { id, task_id } of executions.slice(0, MOST)) {
    logger.warn(message, { execution_id: id, task_id })
  }
  const more = executions.length - MOST
  if (more > 0) logger.warn(message, { more })
}
