// Creates a task by name, waits for its first run, prints the result and deletes the task.
import { setTimeout as wait } from 'node:timers/promises'

const API = process.env.API_URL ?? 'http://localhost:8000'
const KEY = process.env.API_KEY ?? 'changeme'

type Task = { id: number; next_run_at: string | null }
type Execution = { status: string; scheduled_for: string; started_at: string | null; result: unknown }

async function call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${API}${path}`, {
    method,
    headers: { 'x-api-key': KEY, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.detail}`)
  return answer
}

const task = await call<Task>('PUT', '/tasks/by-name/example-counter', {
  type: 'counter',
  schedule_type: 'interval',
  interval_seconds: 60,
  description: 'Shows how to use the API from TypeScript',
})
process.stdout.write(`task ${task.id} is due at ${task.next_run_at}\n`)

for (let tries = 0; tries < 50; tries += 1) {
  const executions = await call<Execution[]>('GET', `/tasks/${task.id}/executions?status=success`)
  const [first] = executions
  if (first) {
    process.stdout.write(`${first.scheduled_for} ${first.status} ${JSON.stringify(first.result)}\n`)
    break
  }
  await wait(200)
}
await call('DELETE', `/tasks/${task.id}`)
