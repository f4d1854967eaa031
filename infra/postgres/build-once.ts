import { mkdir, mkdtemp, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Makes the folder `target` whole or not at all. `build` fills a folder beside it, which then takes the name in one
 * step, so a build that was killed in the middle is never mistaken for a finished one, and of several processes
 * that build at once one wins while the others use its result. `proof` is a file that every finished build holds.
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

/** Removes an empty folder, or a link to nothing; throws when anything else is there. */
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

/** Whether a process of that number runs, whoever's it is. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Throws when it can't be told, as in a folder of another user. */
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
