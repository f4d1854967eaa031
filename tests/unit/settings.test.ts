import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { functionEnvironment } from '../../infra/offline/environment.ts'
import { readConfig, SETTINGS, settingsReadBy } from '../../shared/config.ts'

const ROOT = new URL('../../', import.meta.url)
const NAMES = Object.keys(SETTINGS)
const OF_FUNCTIONS = settingsReadBy('functions').toSorted()

test('every setting that functions read can be set on AWS, and no other', async () => {
  const text = await readFile(new URL('serverless.yml', ROOT), 'utf8')
  // The cast is safe, since serverless.yml is known to work.
  const { provider } = parse(text, { logLevel: 'silent' }) as { provider: { environment: object } }
  const named = Object.keys(provider.environment).filter((name) => NAMES.includes(name))
  expect(named.toSorted()).toEqual(OF_FUNCTIONS)
})

test("serverless offline passes every setting that functions read on to its workers, but not the process's own", () => {
  const env = Object.fromEntries(NAMES.map((name) => [name, `my ${name}`]))
  const own = ['DATABASE_URL', 'DATABASE_POOL_SIZE']
  const passedOn = Object.entries(functionEnvironment(env, 'postgres://here', 'http://lambda'))
  const settings = passedOn.filter(([name]) => NAMES.includes(name))
  expect(settings.map(([name]) => name).toSorted()).toEqual(OF_FUNCTIONS)
  for (const [name, value] of settings) if (!own.includes(name)) expect(value).toBe(`my ${name}`)
})

/** `SCHEDULER_ENABLE` becomes `schedulerEnable`, with which the name of its property in the configuration begins. */
const toCamel = (name: string) =>
  name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

test("functions don't read the process's own settings", async () => {
  const own = settingsReadBy('process').map(toCamel)
  const properties = Object.keys(readConfig({})).filter((name) => own.some((it) => name.startsWith(it)))
  expect(properties).toHaveLength(own.length)
  for (const folder of ['functions', 'shared']) {
    for (const file of await readdir(new URL(folder, ROOT), { recursive: true })) {
      if (!file.endsWith('.ts')) continue
      const text = await readFile(new URL(`${folder}/${file}`, ROOT), 'utf8')
      const read = [
        ...Array.from(text.matchAll(/\bconfig\(\)\.(\w+)/g), ([, name = '']) => name),
        ...Array.from(
          text.matchAll(/\{([^{}]*)\} = config\(\)/g),
          ([, names = '']) => names.match(/\w+/g) ?? [],
        ).flat(),
      ]
      expect({ file, read: read.filter((name) => properties.includes(name)) }).toEqual({ file, read: [] })
    }
  }
})
