import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** One forbidden import for each rule in biome.json: the file, and the path that it imports. */
const BREACHES: [file: string, imported: string][] = [
  ['shared/db.ts', '../functions/program.ts'],
  ['shared/page.ts', './tasks/task.ts'],
  ['shared/http/handler.ts', '../tasks/task.ts'],
  ['shared/http/etag.ts', '../../infra/openapi.ts'],
  ['shared/access/keys.ts', '../http/etag.ts'],
  ['shared/access/session/rows.ts', '../../http/etag.ts'],
  ['shared/runners/sleep.ts', '../scheduling/run/run.ts'],
  ['shared/runners/http.ts', '../../functions/program.ts'],
  ['shared/tasks/task.ts', '../http/etag.ts'],
  ['shared/executions/get.ts', '../http/etag.ts'],
  ['shared/executions/list.ts', '../../infra/openapi.ts'],
  ['shared/stats/get.ts', '../http/etag.ts'],
  ['shared/scheduling/schedule/plan.ts', '../claim/claim.ts'],
  ['shared/scheduling/schedule/schedule.ts', '../../db.ts'],
  ['shared/scheduling/schedule/cron/cron.ts', '../../state/open.ts'],
  ['shared/scheduling/schedule/cron/zone.ts', '../../../db.ts'],
  ['shared/scheduling/state/open.ts', '../claim/claim.ts'],
  ['shared/scheduling/repair/recover.ts', '../run/run.ts'],
  ['shared/scheduling/claim/claim.ts', '../settle/settle.ts'],
  ['shared/scheduling/health/health.ts', '../run/run.ts'],
  ['shared/scheduling/settle/settle.ts', '../run/held.ts'],
  ['shared/scheduling/run/run.ts', '../tick/tick.ts'],
  ['shared/scheduling/run/starter.ts', '../../http/etag.ts'],
  ['shared/scheduling/control/pause.ts', '../../executions/get.ts'],
  ['shared/scheduling/tick/tick.ts', '../../../functions/program.ts'],
]

/** Two files that import a type from each other. */
const CYCLE = { 'infra/a.ts': './b.ts', 'infra/b.ts': './a.ts' }

const BIOME = join(import.meta.dirname, '../../node_modules/.bin/biome')

let folder: string
let report: { file: string; category: string }[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-rules-'))
  const config = JSON.parse(await readFile(join(import.meta.dirname, '../../biome.json'), 'utf8'))
  await writeFile(
    join(folder, 'biome.json'),
    JSON.stringify({ ...config, vcs: undefined, $schema: undefined }),
  )
  for (const [file, imported] of [...BREACHES, ...Object.entries(CYCLE)]) {
    const path = join(folder, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `import type { A } from '${imported}'\n\nexport type B = A\n`)
  }
  const output = await new Promise<string>((resolve) =>
    execFile(
      BIOME,
      ['lint', '--reporter=json', '--max-diagnostics=none', '.'],
      { cwd: folder },
      (_, stdout) => resolve(stdout),
    ),
  )
  const { diagnostics }: { diagnostics: { category: string; location: { path: string } }[] } =
    JSON.parse(output)
  report = diagnostics.map(({ category, location }) => ({ file: location.path, category }))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

test.each(BREACHES)('%s must not import %s', (file) => {
  expect(report).toContainEqual({ file, category: 'lint/style/noRestrictedImports' })
})

test('import cycles are rejected, even if only types are imported', () => {
  for (const file of Object.keys(CYCLE)) {
    expect(report).toContainEqual({ file, category: 'lint/suspicious/noImportCycles' })
  }
})
