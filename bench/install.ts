import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Returns whether pgbench is on the path. It comes with PostgreSQL's client programs, not with the embedded server. */
export const hasPgbench = (): boolean => spawnSync('pgbench', ['--version']).status === 0

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Installs the peers into `bench/node_modules` if they are missing. The product doesn't depend on them. */
export function installPeers(): void {
  if (existsSync(new URL('node_modules/.package-lock.json', import.meta.url))) return
  console.log('installing the peers: npm ci --prefix bench')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--prefix', folder], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error("the peers can't be installed; --systems ours,floor doesn't need them")
}
