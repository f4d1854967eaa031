import { logger } from './logger.ts'

/** Maximum number of lines that are logged at once. The rest are only counted. */
const MOST = 20

/** Logs a WARN for each execution, up to 20, and then how many more there are. */
export function warnOfEach(message: string, executions: { id: number; task_id: number }[]): void {
  for (const { id, task_id } of executions.slice(0, MOST)) {
    logger.warn(message, { execution_id: id, task_id })
  }
  const more = executions.length - MOST
  if (more > 0) logger.warn(message, { more })
}
