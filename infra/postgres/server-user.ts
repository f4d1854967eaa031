import { execFileSync } from 'node:child_process'
import { chmod, mkdir } from 'node:fs/promises'

/** The options with which `spawn` runs a command as another user; empty for this one. */
export type ServerUser = { uid?: number; gid?: number }

export const isRoot = process.getuid?.() === 0

/**
 * PostgreSQL refuses to run as root, and the user it runs as instead can't reach a checkout in a folder that only root
 * can read. So root keeps the data and a copy of the binaries here, wherever the checkout lies. Not in a temporary
 * folder: those are emptied at boot, and others may write there.
 */
export const rootFolder = '/var/lib/task-scheduler'

export async function makeRootFolder() {
  await mkdir(rootFolder, { recursive: true })
  // mkdir obeys the umask, and the server's user must get in.
  await chmod(rootFolder, 0o755)
}

/** Returns root's stand-in for a new server: `postgres` if a package made that user, otherwise `nobody`. */
export function standInForRoot(): Required<ServerUser> {
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = [idOf('-u', name), idOf('-g', name)]
    if (uid !== null && gid !== null) return { uid, gid }
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and there is no user postgres or nobody: set DATABASE_URL',
  )
}

function idOf(flag: '-u' | '-g', name: string): number | null {
  try {
    return Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    return null
  }
}
