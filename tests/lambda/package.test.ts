import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'
import { beforeAll, expect, test } from 'vitest'
import { readService } from '../../infra/service/service.ts'
import packageService from './package.ts'
import { ROOT } from './start.ts'

const FOLDER = new URL('.serverless/', ROOT)

/**
 * Maximum size of a zip, in bytes. The largest function contains the AWS SDK, undici and the cron parsers; the docs
 * function contains Swagger UI. A dependency that isn't tree-shaken would exceed the limit.
 */
const LIMIT = 650_000

/** Files that functions read at runtime, in addition to their modules. */
const FILES: Record<string, string[]> = {
  dashboard: ['app.css', 'app.js', 'icon.svg', 'index.html', 'licenses.md'].map(
    (it) => `dashboard/dist/${it}`,
  ),
  docs: ['node_modules/swagger-ui-dist/swagger-ui-bundle.js', 'node_modules/swagger-ui-dist/swagger-ui.css'],
  migrate: ['infra/migrations/'],
}

let zips: Map<string, Buffer>

beforeAll(async () => {
  zips = await readZips()
})

async function readZips(): Promise<Map<string, Buffer>> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.zip')).sort()
  const read = async (name: string): Promise<[string, Buffer]> => [
    name.replace('.zip', ''),
    await readFile(new URL(name, FOLDER)),
  ]
  return new Map(await Promise.all(names.map(read)))
}

test("each zip contains its function's module, the files it reads, and nothing else", async () => {
  const { functions } = await readService(fileURLToPath(new URL('serverless.yml', ROOT)))
  expect([...zips.keys()]).toEqual(functions.map((fn) => fn.name).sort())
  const migrations = (await readdir(new URL('infra/migrations/', ROOT))).filter((it) => it.endsWith('.sql'))
  for (const { name, file } of functions) {
    const module = file.replace(/ts$/, 'mjs')
    const others = (FILES[name] ?? []).flatMap((path) =>
      path.endsWith('/') ? migrations.map((it) => path + it) : [path],
    )
    const content = unzipSync(zips.get(name) ?? Buffer.of())
    expect(Object.keys(content).sort()).toEqual([module, `${module}.map`, ...others].sort())
  }
})

test('the zips are within their size limits', () => {
  for (const [name, { length }] of zips) expect({ name, fits: length < LIMIT }).toEqual({ name, fits: true })
  expect(zips.get('health')?.length).toBeLessThan(120_000)
})

test('only the login with an issuer contains openid-client', () => {
  const having = [...zips].filter(([, zip]) =>
    Object.entries(unzipSync(zip)).some(
      ([path, content]) =>
        path.endsWith('.mjs') && Buffer.from(content).includes('authorizationCodeGrantRequest'),
    ),
  )
  expect(having.map(([name]) => name)).toEqual(['finishOidcLogin', 'startOidcLogin'])
})

test('packaging the service twice produces identical zips', async () => {
  await packageService()
  const again = await readZips()
  for (const [name, zip] of again)
    expect({ name, same: zip.equals(zips.get(name) ?? Buffer.of()) }).toEqual({ name, same: true })
})
