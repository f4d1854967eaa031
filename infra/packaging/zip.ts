import { glob, readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { type Zippable, zipSync } from 'fflate'
import type { File } from './bundle.ts'

/**
 * Makes the same files produce the same bytes, whenever and wherever they are packed. The date is the earliest that a
 * zip can hold. It is in local time, since fflate writes local time.
 */
const FIXED = {
  mtime: new Date(1980, 0, 1),
  os: 3,
  // A regular file that everyone can read, since Lambda runs as a different user from the one that unpacks the zip.
  attrs: 0o100644 << 16,
} as const

/** Returns a zip of `files` and the files under `root` that match the patterns. Throws if a pattern matches no file. */
export async function zip(root: string, files: File[], patterns: string[]): Promise<Uint8Array> {
  const found = await Promise.all(patterns.map((pattern) => match(root, pattern)))
  const entries = [...files, ...found.flat()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const zippable: Zippable = {}
  for (const { path, content } of entries) zippable[path] = [content, FIXED]
  return zipSync(zippable, { level: 9 })
}

async function match(root: string, pattern: string): Promise<File[]> {
  const files: File[] = []
  for await (const path of glob(pattern, { cwd: root })) {
    files.push({ path: path.replaceAll(sep, '/'), content: await readFile(join(root, path)) })
  }
  if (files.length === 0) throw new Error(`no file matches ${pattern}`)
  return files
}
