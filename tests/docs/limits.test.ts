import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { environment, SETTINGS } from '../../shared/config.ts'

const PAGE = new URL('../../docs/reference/limits.md', import.meta.url)

/** Limits what a process takes on by itself, not what a client can ask for. */
const NOT_ASKED_FOR = ['MAX_CLAIMED_EXECUTIONS']

const rows = (await readFile(PAGE, 'utf8'))
  .split('\n')
  .filter((line) => /^\| (?!what |--)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, what = '', limit = '', setting = '', , , example = '']) => ({ what, limit, setting, example }))

test('every setting that is a limit is in the table, with its default', () => {
  const limits = Object.keys(SETTINGS).filter((name) => /^(MAX|MIN|RATE)_/.test(name))
  const named = rows.filter(({ setting }) => setting !== '')
  expect(named.map(({ setting }) => setting).toSorted()).toEqual(
    limits
      .filter((name) => !NOT_ASKED_FOR.includes(name))
      .map((name) => `\`${name}\``)
      .toSorted(),
  )
  const defaults: Record<string, unknown> = environment.parse({})
  for (const { setting, limit } of named) {
    const value = defaults[setting.replaceAll('`', '')]
    if (value !== undefined) expect(limit).toMatch(new RegExp(`^${Number(value).toLocaleString('en')}\\b`))
  }
})

test.for(rows.filter(({ example }) => example !== ''))(
  'the test of the limit "$what" exists',
  async ({ example }) => {
    const [, title = '', path = ''] = /^\[(.+)\]\((.+)\)$/.exec(example) ?? []
    expect(await readFile(new URL(path, PAGE), 'utf8')).toContain(title)
  },
)
