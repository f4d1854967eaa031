import { mkdir, writeFile } from 'node:fs/promises'
import { configurationPage, envExample } from './configuration.ts'
import { minikubeFile } from './minikube.ts'
import { buildDocument } from './openapi.ts'
import { schemaFile } from './schema.ts'
import { taskFieldsPage } from './task-fields.ts'
import { taskTypesPage } from './task-types.ts'

const ROOT = new URL('../../', import.meta.url)

/**
 * Returns the contents of every generated file, by its path from the root. A test compares them with the committed
 * files.
 */
export async function generated(): Promise<Record<string, string>> {
  return {
    'openapi.json': `${JSON.stringify(await buildDocument(), null, 2)}\n`,
    '.env.example': envExample(),
    'docs/reference/configuration.md': configurationPage(),
    'docs/reference/task-fields.md': taskFieldsPage(),
    'docs/reference/task-types.md': taskTypesPage(),
    'k8s/api.yaml': await minikubeFile(),
    'shared/schema.json': await schemaFile(),
  }
}

if (import.meta.main) {
  await mkdir(new URL('docs/reference', ROOT), { recursive: true })
  for (const [path, text] of Object.entries(await generated())) await writeFile(new URL(path, ROOT), text)
}
