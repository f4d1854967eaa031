import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { environment } from '../../shared/config.ts'

type Rows = Record<string, string>

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

/** What the schema takes when a key is missing, as it would be written into .env. */
function schemaDefaults(): Rows {
  const values = Object.entries(environment.parse({}))
  const defaults = Object.fromEntries(values.map(([key, value]) => [key, String(value)]))
  return Object.fromEntries(Object.keys(environment.shape).map((key) => [key, defaults[key] ?? '']))
}

function exampleDefaults(): Rows {
  const lines = read('.env.example').matchAll(/^# ([A-Z_]+)=(.*)$/gm)
  return Object.fromEntries(Array.from(lines, ([, key = '', value = '']) => [key, value]))
}

function readmeDefaults(): Rows {
  const [, section = ''] = /^## Configuration$([\s\S]*?)^## /m.exec(read('README.md')) ?? []
  const rows = section.matchAll(/^\| `([A-Z_]+)` +\| ([^|]*?) +\|/gm)
  return Object.fromEntries(
    Array.from(rows, ([, key = '', value = '']) => [key, value === 'unset' ? '' : value.replaceAll('`', '')]),
  )
}

test('.env.example names every setting, with its default', () => {
  expect(exampleDefaults()).toEqual(schemaDefaults())
})

test('the table in README.md names every setting, with its default', () => {
  expect(readmeDefaults()).toEqual(schemaDefaults())
})
