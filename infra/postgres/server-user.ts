import { execFileSync } from 'node:child_process'
import { chmod, mkdir } from 'node:fs/promises'

/** The options that make `spawn` run a command as another user. Empty for the current user. */
export type ServerUser = { uid?: number; gid?: number }

export const isRoot = process.getuid?.() === 0

/**
 * The folder for root's data and a copy of the binaries, wherever the checkout is. PostgreSQL refuses to run as root,
 * and the other user that it then runs as can't reach a checkout in a folder that only root can read. A temporary
 * folder isn't suitable, since it is emptied at boot, and other users may write to it.
 */
export const rootFolder = '/var/lib/task-scheduler'

export async function makeRootFolder() {
  await mkdir(rootFolder, { recursive: true })
  // mkdir applies the umask, but the server's user needs access.
  await chmod(rootFolder, 0o755)
}

/**
 * Returns the user that a new server runs as instead of root: `postgres` if a package created that user, otherwise
 * `nobody`.
 */
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
