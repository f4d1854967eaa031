import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Installs the dashboard's packages and builds it, as the last step of the project's own `npm ci`: the moment at which
 * packages may be downloaded anyway, so that `npm start`, the tests and the packages for AWS find it built. Plain
 * JavaScript, since npm runs it with any version of Node.
 */
const cwd = fileURLToPath(new URL('.', import.meta.url))
const shell = process.platform === 'win32'

for (const args of [
  ['ci', '--no-audit', '--no-fund'],
  ['run', 'build', '--silent'],
]) {
  const { status } = spawnSync('npm', args, { cwd, stdio: 'inherit', shell })
  if (status !== 0) {
    process.stderr.write(`dashboard: \`npm ${args.join(' ')}\` failed\n`)
    process.exit(1)
  }
}
