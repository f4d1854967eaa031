import { randomBytes } from 'node:crypto'
import type { TestProject } from 'vitest/node'
import setupDatabase from '../setup/database.ts'
import { compose, docker } from './docker.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    stack: { project: string; image: string }
  }
}

/** Builds the image and starts the compose stack's PostgreSQL, which all suites share. */
export default async function setup(project: TestProject) {
  const name = `task-scheduler-test-${randomBytes(4).toString('hex')}`
  const down = async () => {
    await compose(name, ['down', '--volumes', '--remove-orphans'])
  }
  try {
    await compose(name, ['build', '--quiet', 'api'])
    await compose(name, ['up', '--detach', '--wait', 'postgres'])
    const image = await compose(name, ['config', '--images', 'api'])
    const [ours = ''] = image.split('\n').filter((it) => !it.startsWith('postgres'))
    const size = Number(await docker(['image', 'inspect', '--format', '{{.Size}}', ours]))
    console.log(`containers: ${ours}, ${Math.round(size / 1e6)} MB`)
    const address = await compose(name, ['port', 'postgres', '5432'])
    process.env.DATABASE_URL = `postgres://scheduler:scheduler@${address}/scheduler`
    project.provide('stack', { project: name, image: ours })
    const teardown = await setupDatabase(project)
    return async () => {
      await teardown()
      await down()
    }
  } catch (error) {
    await down().catch(() => {})
    throw error
  }
}
