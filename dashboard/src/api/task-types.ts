declare const TASK_TYPES: Record<string, TaskType>

/** The JSON schema of a task type's params, as far as the form needs it. */
export type ParamSchema = {
  type?: string
  description?: string
  default?: unknown
  enum?: string[]
  format?: string
  minimum?: number
  maximum?: number
  maxLength?: number
}

type TaskType = { description: string; params: { properties?: Record<string, ParamSchema> } }

/** What each task type does, and its params, from openapi.json. */
export const taskTypes = TASK_TYPES
