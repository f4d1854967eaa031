import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** pgbench comes with PostgreSQL's client programs, and not with the embedded server. */
export const hasPgbench = (): boolean => spawnSync('pgbench', ['--version']).status === 0

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Installs the peers beside the benchmark, unless they are there: they are no dependency of the product. */
export function installPeers(): void {
  if (existsSync(new URL('node_modules/.package-lock.json', import.meta.url))) return
  console.log('installing the peers: npm ci --prefix bench')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--prefix', folder], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error("the peers can't be installed; --systems ours,floor does without them")
}
