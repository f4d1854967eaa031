import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

type ServerlessFunction = {
  handler: string
  package?: { patterns?: string[]; individually?: true; artifact?: string }
}

/** The parts of the framework that are used here. */
type Framework = {
  serviceDir: string
  service: { functions: Record<string, ServerlessFunction> }
}

/** The framework empties this folder before it packages, and writes its CloudFormation template there. */
const FOLDER = '.serverless'

/**
 * Bundles each function, and gives the framework a zip for each. The framework has no bundler of its own, and would
 * otherwise upload the whole folder. A function's `package.patterns` names the files that it reads at runtime.
 */
export default class PackagePlugin {
  readonly hooks = {
    // Checked before the framework deletes the previous package.
    'before:package:cleanup': requirePatchedDriver,
    'before:package:createDeploymentArtifacts': () => this.#package(),
    'before:package:function:package': () => this.#package(),
  }
  readonly #framework: Framework

  constructor(framework: Framework) {
    this.#framework = framework
  }

  async #package(): Promise<void> {
    // Imported lazily, since serverless-offline also loads this plugin but doesn't bundle anything.
    const { bundleFunctions } = await import('./bundle.ts')
    const { zip } = await import('./zip.ts')
    await requirePatchedDriver()
    const { serviceDir, service } = this.#framework
    const functions = Object.entries(service.functions)
    const bundles = await bundleFunctions(
      serviceDir,
      functions.map(([, fn]) => `${fn.handler.slice(0, fn.handler.lastIndexOf('.'))}.ts`),
    )
    for (const [index, [name, fn]] of functions.entries()) {
      const artifact = join(FOLDER, `${name}.zip`)
      await mkdir(dirname(join(serviceDir, artifact)), { recursive: true })
      await writeFile(
        join(serviceDir, artifact),
        await zip(serviceDir, bundles[index] ?? [], fn.package?.patterns ?? []),
      )
      // Set in memory only. An artifact in serverless.yml would make serverless-offline run the zip.
      fn.package = { individually: true, artifact }
    }
  }
}

/** Throws if postgres.js isn't patched. The zips contain it, so this would otherwise only be noticed on Lambda. */
async function requirePatchedDriver(): Promise<void> {
  // Imported lazily, like the bundler.
  const { requirePatch } = await import('../../shared/db.ts')
  requirePatch()
}
