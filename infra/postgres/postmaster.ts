import { execFile } from 'node:child_process'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type Postmaster = { pid: number; port: number }

const lockFile = 'postmaster.pid'

/**
 * Returns the server that holds `data` according to its lock file, or null. PostgreSQL ignores a lock whose process is
 * gone. But it refuses to start if the lock's process id now belongs to another process of the same user, which may
 * happen after the machine crashes or when a container restarts. This function removes such a lock.
 */
export async function findPostmaster(data: string): Promise<Postmaster | null> {
  const file = join(data, lockFile)
  const lock = await readLock(file)
  if (lock === null) return null
  const [pid, , , port] = lock.split('\n').map(Number)
  // PostgreSQL fills the file right after creating it. If the file stays incomplete, PostgreSQL crashed before filling
  // it.
  if (!pid || !port) return (await age(file)) > 5_000 ? removeStale(file, lock) : { pid: 0, port: 0 }
  return (await isServing(pid, data)) ? { pid, port } : removeStale(file, lock)
}

async function readLock(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

const age = (file: string) =>
  stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  )

async function removeStale(file: string, lock: string): Promise<null> {
  if ((await readLock(file)) === lock) await rm(file, { force: true })
  return null
}

/**
 * Returns whether process `pid` is the server that uses `data`. The id alone isn't enough: another process may have it
 * by now.
 */
export async function isServing(pid: number, data: string): Promise<boolean> {
  // On Windows, only the lock file is compared. There, a reused id doesn't mislead PostgreSQL itself, which checks
  // through a pipe named after the process id.
  if (process.platform === 'win32')
    return (await readLock(join(data, lockFile)))?.startsWith(`${pid}\n`) ?? false
  return (await commandLine(pid)).includes(data)
}

function commandLine(pid: number): Promise<string> {
  const found =
    process.platform === 'linux'
      ? readFile(`/proc/${pid}/cmdline`, 'utf8')
      : promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', `${pid}`]).then(({ stdout }) => stdout)
  return found.catch(() => '')
}
