import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const exec = promisify(execFile)

/** Runs `docker …` in the repository root. Returns its stdout, or rejects with its stderr. */
export async function docker(args: string[], env: Record<string, string> = {}): Promise<string> {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 }
  try {
    const { stdout } = await exec('docker', args, options)
    return stdout.trim()
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string }
    throw new Error(`docker ${args.slice(0, 3).join(' ')} …: ${stderr?.trim() || message}`, { cause })
  }
}

/** Runs `docker compose …` on the stack with this project name. */
export const compose = (project: string, args: string[], env: Record<string, string> = {}): Promise<string> =>
  docker(
    ['compose', '-p', project, '-f', 'docker-compose.yml', '-f', 'tests/containers/compose.yml', ...args],
    env,
  )
