import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { generated } from '../../infra/generate/main.ts'

const files = await generated()

test.each(Object.keys(files))('%s matches the output of `npm run generate`', async (path) => {
  const committed = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
  expect(committed.trim()).toBe(files[path]?.trim())
})
