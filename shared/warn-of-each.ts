import { logger } from './logger.ts'

/** Maximum number of lines that one call logs. Further executions are only counted. */
const MOST = 20

type Line = { execution_id: number; task_id: number } & Record<string, unknown>

/** Logs a WARN for each of the first 20 executions, and then one with the number of the others. */
export function warnOfEach(message: string, executions: Line[]): void {
  for (const line of executions.slice(0, MOST)) logger.warn(message, line)
  const more = executions.length - MOST
  if (more > 0) logger.warn(message, { more })
}
