import { globSync } from 'node:fs'
import { expect, test } from 'vitest'
import { path, read } from './render.ts'

const WORKFLOWS = globSync('.github/workflows/*.yml', { cwd: path('') })
const PINNED = /^[a-z0-9./:-]+@sha256:[0-9a-f]{64}$/i

/** Returns what a pattern's first group matches in the given files. */
async function all(pattern: RegExp, files: string[]): Promise<string[]> {
  const texts = await Promise.all(files.map(read))
  return texts.flatMap((text) => Array.from(text.matchAll(pattern), ([, found = '']) => found))
}

test('workflows pin each action to a commit, with its version in a comment', async () => {
  const uses = await all(/uses: (.+)/g, WORKFLOWS)
  expect(uses.length).toBeGreaterThan(20)
  const others = uses.filter((it) => !/^[\w-]+(\/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(it))
  expect(others).toEqual(['./.github/workflows/security.yml'])
})

test('workflows start with read access only', async () => {
  for (const file of WORKFLOWS) expect(await read(file)).toMatch(/^permissions:\n {2}contents: read\n\n/m)
})

test('manifests and the TLS example pin images by digest', async () => {
  const files = globSync(['k8s/**/*.yaml', 'examples/{kubernetes,tls}/*.{yaml,yml}'], { cwd: path('') })
  const images = await all(/ image: (.+)/g, files)
  expect(images.length).toBeGreaterThan(5)
  expect(new Set(images.filter((it) => !PINNED.test(it)))).toEqual(new Set(['task-scheduler:minikube']))
})

test("workflows build the image from digests of the Dockerfile's base images", async () => {
  const bases = new Set(await all(/^FROM (\S+:\S+)/gm, ['Dockerfile']))
  const pinned = await all(/^FROM (\S+)/gm, ['.github/images/Dockerfile'])
  expect(pinned.filter((it) => !PINNED.test(it))).toEqual([])
  const tags = pinned.map((it) => it.split('@')[0])
  for (const file of WORKFLOWS) {
    const builds = await all(/^ +(\S+)=docker-image:/gm, [file])
    expect(new Set(builds)).toEqual(bases)
  }
  for (const base of bases) expect(tags).toContain(base)
})
