import { afterAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { eventually } from '../setup/eventually.ts'
import { docker } from './docker.ts'

const compose = (...args: string[]) =>
  docker(['compose', '-p', 'task-scheduler-example', '-f', 'examples/compose/docker-compose.yml', ...args], {
    PORT: '0',
  })

afterAll(() => compose('down', '--volumes', '--remove-orphans'))

test('the compose example shows two failed attempts followed by a success', {
  timeout: 120_000,
}, async () => {
  await compose('up', '--detach', '--build')
  const url = await eventually(async () => `http://${await compose('port', 'scheduler', '8000')}`, 30)
  await eventually(async () => {
    const { body } = await send(url, { path: '/executions?limit=10', headers: { 'x-api-key': 'changeme' } })
    const statuses = (body as { status: string }[]).map(({ status }) => status)
    expect(statuses.slice(-3).toReversed()).toEqual(['failed', 'failed', 'success'])
  }, 60)
})
