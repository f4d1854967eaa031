import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Packages the service, as `npm run package` does. */
export default async function packageService(): Promise<void> {
  const { PATH = '', HOME = '' } = process.env
  const command = ['node_modules/serverless/bin/serverless.js', 'package']
  await promisify(execFile)(process.execPath, command, { cwd: ROOT, env: { PATH, HOME } })
}
