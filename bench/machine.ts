import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import type { Results } from './results.ts'
import { asAdmin } from './server/database.ts'
import type { Server } from './server/postgres.ts'

/** Returns a description of the machine, the server and the versions measured. */
export async function describeMachine(server: Server): Promise<Results['machine']> {
  const [row] = await asAdmin(server.url, (admin) => admin<[{ version: string }]>`select version()`)
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: /^PostgreSQL [\d.]+/.exec(row.version)?.[0] ?? row.version,
    server: server.kind,
    commit: git('rev-parse', '--short', 'HEAD'),
    versions: peerVersions(),
  }
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}

function peerVersions(): Record<string, string> {
  const file = readFileSync(new URL('./package.json', import.meta.url), 'utf8')
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(file)
  return dependencies
}
