import { handler } from '../../functions/tasks/executions.ts'
import { call } from './http-event.ts'

/** Returns a task's executions as the API lists them, oldest first. */
export async function shownHistory(id = '1'): Promise<unknown> {
  const { body } = await call(handler, {
    method: 'GET',
    path: '/tasks/{id}/executions',
    pathParameters: { id },
  })
  return body
}
