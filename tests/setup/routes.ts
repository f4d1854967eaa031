import { handler as cancelExecution } from '../../functions/executions/cancel.ts'
import { handler as getExecution } from '../../functions/executions/get.ts'
import { handler as listExecutions } from '../../functions/executions/list.ts'
import { handler as rerunExecution } from '../../functions/executions/rerun.ts'
import { handler as rerunExecutions } from '../../functions/executions/rerun-all.ts'
import { handler as createKey } from '../../functions/keys/create.ts'
import { handler as deleteKey } from '../../functions/keys/delete.ts'
import { handler as listKeys } from '../../functions/keys/list.ts'
import { handler as getMetrics } from '../../functions/metrics/get.ts'
import { handler as previewSchedule } from '../../functions/schedules/preview.ts'
import { handler as logOut } from '../../functions/session/delete.ts'
import { handler as getSession } from '../../functions/session/get.ts'
import { handler as startOidcLogin } from '../../functions/session/oidc.ts'
import { handler as finishOidcLogin } from '../../functions/session/oidc-callback.ts'
import { handler as getStats } from '../../functions/stats/get.ts'
import { handler as dashboard } from '../../functions/system/dashboard.ts'
import { handler as docs } from '../../functions/system/docs.ts'
import { handler as health } from '../../functions/system/health.ts'
import { handler as notFound } from '../../functions/system/not-found.ts'
import { handler as openapi } from '../../functions/system/openapi.ts'
import { handler as createTask } from '../../functions/tasks/create.ts'
import { handler as deleteTask } from '../../functions/tasks/delete.ts'
import { handler as deleteTasks } from '../../functions/tasks/delete-all.ts'
import { handler as listTaskExecutions } from '../../functions/tasks/executions.ts'
import { handler as getTask } from '../../functions/tasks/get.ts'
import { handler as getTaskByName } from '../../functions/tasks/get-by-name.ts'
import { handler as listTasks } from '../../functions/tasks/list.ts'
import { handler as pauseTask } from '../../functions/tasks/pause.ts'
import { handler as pauseTasks } from '../../functions/tasks/pause-all.ts'
import { handler as putTask } from '../../functions/tasks/put-by-name.ts'
import { handler as resumeTask } from '../../functions/tasks/resume.ts'
import { handler as resumeTasks } from '../../functions/tasks/resume-all.ts'
import { handler as runTask } from '../../functions/tasks/run.ts'
import { handler as runTaskByName } from '../../functions/tasks/run-by-name.ts'
import { handler as updateTask } from '../../functions/tasks/update.ts'
import { handler as listUpcoming } from '../../functions/upcoming/list.ts'
import { handler as listWorkers } from '../../functions/workers/list.ts'

const task = { name: 'a', type: 'sleep', schedule_type: 'interval', interval_seconds: 60 }
const { name, ...put } = task
const pathParameters = { id: '1' }
const query = 'all=true'

/** The routes that require an API key and a database, each with a valid request for task 1. */
export const guarded = [
  { handler: createTask, request: { method: 'POST', path: '/tasks', body: task } },
  { handler: listTasks, request: { method: 'GET', path: '/tasks' } },
  { handler: getTask, request: { method: 'GET', path: '/tasks/{id}', pathParameters } },
  {
    handler: getTaskByName,
    request: { method: 'GET', path: '/tasks/by-name/{name}', pathParameters: { name } },
  },
  { handler: updateTask, request: { method: 'PATCH', path: '/tasks/{id}', pathParameters, body: {} } },
  {
    handler: putTask,
    request: { method: 'PUT', path: '/tasks/by-name/{name}', pathParameters: { name }, body: put },
  },
  { handler: pauseTask, request: { method: 'POST', path: '/tasks/{id}/pause', pathParameters } },
  { handler: resumeTask, request: { method: 'POST', path: '/tasks/{id}/resume', pathParameters } },
  { handler: pauseTasks, request: { method: 'POST', path: '/tasks/pause', query } },
  { handler: resumeTasks, request: { method: 'POST', path: '/tasks/resume', query } },
  { handler: deleteTask, request: { method: 'DELETE', path: '/tasks/{id}', pathParameters } },
  { handler: listTaskExecutions, request: { method: 'GET', path: '/tasks/{id}/executions', pathParameters } },
  { handler: listExecutions, request: { method: 'GET', path: '/executions' } },
  { handler: getExecution, request: { method: 'GET', path: '/executions/{id}', pathParameters } },
  {
    handler: cancelExecution,
    request: { method: 'POST', path: '/executions/{id}/cancel', pathParameters },
  },
  { handler: rerunExecution, request: { method: 'POST', path: '/executions/{id}/rerun', pathParameters } },
  {
    handler: rerunExecutions,
    request: { method: 'POST', path: '/executions/rerun', query: 'status=failed' },
  },
  { handler: runTask, request: { method: 'POST', path: '/tasks/{id}/run', pathParameters } },
  {
    handler: runTaskByName,
    request: { method: 'POST', path: '/tasks/by-name/{name}/run', pathParameters: { name } },
  },
  {
    handler: previewSchedule,
    request: {
      method: 'POST',
      path: '/schedules/preview',
      body: { schedule_type: 'interval', interval_seconds: 1 },
    },
  },
  { handler: deleteTasks, request: { method: 'DELETE', path: '/tasks', query } },
  { handler: listUpcoming, request: { method: 'GET', path: '/upcoming' } },
  { handler: listWorkers, request: { method: 'GET', path: '/workers' } },
  { handler: getMetrics, request: { method: 'GET', path: '/metrics' } },
  { handler: getStats, request: { method: 'GET', path: '/stats' } },
  { handler: createKey, request: { method: 'POST', path: '/keys', body: { name: 'a', scope: 'admin' } } },
  { handler: listKeys, request: { method: 'GET', path: '/keys' } },
  { handler: deleteKey, request: { method: 'DELETE', path: '/keys/{id}', pathParameters } },
]

/** The routes that require neither an API key nor a database, each with its response status. */
export const open = [
  { handler: health, request: { method: 'GET', path: '/healthz' }, status: 200 },
  { handler: openapi, request: { method: 'GET', path: '/openapi.json' }, status: 200 },
  { handler: dashboard, request: { method: 'GET', path: '/' }, status: 302 },
  { handler: docs, request: { method: 'GET', path: '/docs' }, status: 200 },
  { handler: getSession, request: { method: 'GET', path: '/session' }, status: 200 },
  { handler: logOut, request: { method: 'DELETE', path: '/session' }, status: 200 },
  { handler: startOidcLogin, request: { method: 'GET', path: '/session/oidc' }, status: 404 },
  { handler: finishOidcLogin, request: { method: 'GET', path: '/session/oidc/callback' }, status: 404 },
  { handler: notFound, request: { method: 'GET', path: '/nothing' }, status: 404 },
]
