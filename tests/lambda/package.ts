import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Packages the service as `npm run package` does. Throws if a prerequisite of these tests is missing. */
export default async function packageService(): Promise<void> {
  requireLambda()
  const { PATH = '', HOME = '' } = process.env
  const command = ['node_modules/serverless/bin/serverless.js', 'package']
  await promisify(execFile)(process.execPath, command, { cwd: ROOT, env: { PATH, HOME } })
}

function requireLambda(): void {
  const missing = (what: string, cause?: unknown): never => {
    throw new Error(`npm run test:lambda needs ${what}`, { cause })
  }
  if (process.platform === 'win32') missing('a system with SIGSTOP: Linux or macOS')
  try {
    createRequire(import.meta.url).resolve('aws-lambda-ric')
  } catch (error) {
    missing("AWS's runtime client aws-lambda-ric, a development dependency: npm ci", error)
  }
}
