import * as z from 'zod'
import { fillTemplate, type LinkValues } from '../link-template.ts'
import { type Execution, executionOut } from './execution.ts'

/** An execution with the places where more is known about it. */
export const linkedExecutionOut = z
  .object({
    ...executionOut.shape,
    log_url: z.string().nullable().describe('Where its log is. Null if LOG_URL_TEMPLATE is not set.'),
    trace_url: z.string().nullable().describe('Where its trace is. Null if TRACE_URL_TEMPLATE is not set.'),
  })
  .meta({ id: 'LinkedExecution' })

type LinkTemplates = { log: string | undefined; trace: string | undefined }

/** Returns an execution with its links. */
export function withLinks(execution: Execution, { log, trace }: LinkTemplates) {
  const values = valuesOf(execution)
  return {
    ...execution,
    log_url: log === undefined ? null : fillTemplate(log, values),
    trace_url: trace === undefined ? null : fillTemplate(trace, values),
  }
}

/** The times are those of its run. Before it starts, `from` is when it is due; until it ends, `to` is now. */
function valuesOf({ id, task_id, task_name, attempt, ...times }: Execution): LinkValues {
  const from = times.started_at ?? times.due_at
  const to = times.finished_at ?? new Date()
  return {
    execution_id: id,
    task_id,
    task_name,
    attempt,
    from: from.toISOString(),
    to: to.toISOString(),
    from_ms: from.getTime(),
    to_ms: to.getTime(),
  }
}
