import { mkdir, mkdtemp, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Creates the folder `target` completely or not at all: `build` fills a folder next to it, which is then renamed. A
 * build that was killed is therefore never mistaken for a finished build. If several processes build at once, one wins
 * and the others use its result. `proof` is the path, within the folder, of a file that every finished build has.
 */
export async function buildOnce(target: string, proof: string, build: (staging: string) => Promise<void>) {
  const isBuilt = () => exists(join(target, proof))
  if (await isBuilt()) return
  await mkdir(dirname(target), { recursive: true })
  await removeAbandoned(dirname(target))
  const staging = await mkdtemp(`${target}.new-${process.pid}-`)
  try {
    await makeWay(target)
    await build(staging)
    await rename(staging, target)
  } catch (error) {
    await rm(staging, { recursive: true, force: true })
    if (!(await isBuilt())) throw error
  }
}

/** Removes an empty folder or a broken link. Throws if anything else is there. */
export async function makeWay(path: string) {
  if (await exists(path)) await rmdir(path)
  else await rm(path, { force: true })
}

async function removeAbandoned(folder: string) {
  for (const name of await readdir(folder)) {
    const pid = /\.new-(\d+)-\w+$/.exec(basename(name))?.[1]
    if (pid && !isRunning(Number(pid)))
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => {})
  }
}

/** Returns whether a process with this id is running, regardless of its owner. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Returns whether a file or folder exists. Throws if it can't find out, for example in another user's folder. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return false
    throw error
  }
}
