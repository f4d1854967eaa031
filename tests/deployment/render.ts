import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'

const ROOT = new URL('../../', import.meta.url)

type Value = { [key: string]: unknown }
export type Manifest = Value & { kind: string; metadata: { name: string; namespace?: string } }

/** Return a folder's path and a file's text. Names are relative to the root. */
export const path = (name: string): string => fileURLToPath(new URL(name, ROOT))
export const read = (name: string): Promise<string> => readFile(new URL(name, ROOT), 'utf8')

/** Returns the documents of a file. The cast is safe: `kubectl` reads the same files. */
export async function manifestsOf(file: string): Promise<Manifest[]> {
  return parseAllDocuments(await read(file)).map((it) => it.toJS() as Manifest)
}

type Image = { name: string; newName: string; digest: string }
type Kustomization = { resources: string[]; images?: Image[]; patches?: { path: string }[] }

/**
 * Returns what `kubectl kustomize` prints for a folder, though not in the same order. Supports only the parts of
 * kustomize that these folders use.
 */
export async function render(folder: string): Promise<Manifest[]> {
  const { resources, images = [], patches = [] } = await readKustomization(folder)
  const found = await Promise.all(
    resources.map((it) => {
      const below = new URL(`${folder}/${it}`, 'file:///').pathname.slice(1)
      return existsSync(path(`${below}/kustomization.yaml`)) ? render(below) : manifestsOf(below)
    }),
  )
  const changes = await Promise.all(patches.map((it) => manifestsOf(`${folder}/${it.path}`)))
  return found.flat().map((manifest) => {
    const own = changes.flat().filter((it) => idOf(it) === idOf(manifest))
    return setImages(own.reduce(merge<Manifest>, manifest), images)
  })
}

async function readKustomization(folder: string): Promise<Kustomization> {
  return parse(await read(`${folder}/kustomization.yaml`)) as Kustomization
}

const idOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.namespace} ${metadata.name}`

/** A strategic merge: lists of named items are merged by name; all other lists are replaced. */
function merge<T>(base: T, patch: unknown): T
function merge(base: unknown, patch: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(patch) && isNamed(base) && isNamed(patch)) {
    const added = patch.filter((it) => !base.some(({ name }) => name === it.name))
    return [...base.map((it) => merge(it, patch.find(({ name }) => name === it.name) ?? {})), ...added]
  }
  if (!isObject(base) || !isObject(patch)) return patch
  const merged = Object.entries(patch).map(([key, value]) => [key, merge(base[key], value)])
  return { ...base, ...Object.fromEntries(merged) }
}

const isObject = (value: unknown): value is Value =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isNamed = (list: unknown[]): list is (Value & { name: string })[] =>
  list.every((it) => isObject(it) && 'name' in it)

/** Replaces every image that has one of these names, whatever its tag, anywhere in a value. */
function setImages<T>(value: T, images: Image[]): T {
  return JSON.parse(JSON.stringify(value), (key, it) => {
    const image = key === 'image' && images.find(({ name }) => name === it.split(':')[0])
    return image ? `${image.newName}@${image.digest}` : it
  })
}
