import { casesOf, metricOf, type Result, ratioToOurs } from '../results.ts'
import type { Row } from '../rows/row.ts'
import { format } from './number.ts'

export type Table = { title: string; head: string[]; lines: string[][] }

/** Returns a table for each case of a row, with a line per system: medians, the range and the ratio to `ours`. */
export function tablesOf(row: Row, all: readonly Result[]): Table[] {
  return casesOf(all, row.name).map((name) => {
    const results = all.filter((it) => it.row === row.name && it.case === name)
    const [first, ...others] = row.metrics.filter(({ key }) =>
      results.some((it) => it.values[key] !== undefined),
    )
    const shown = first ? [first, ...others] : []
    const isNoted = results.some(({ note }) => note !== undefined)
    return {
      title: `${row.title}: ${name}${repeated(results)}`,
      head: [
        'system',
        ...shown.map(({ label, unit }) => (unit ? `${label} ${unit}` : label)),
        'of ours',
        ...(isNoted ? ['note'] : []),
      ],
      lines: [...new Set(results.map((it) => it.system))].map((system) => [
        system,
        ...shown.map(({ key }, index) => spread(results, system, key, index === 0)),
        first && system !== 'ours' ? ratio(results, system, first.key) : '',
        ...(isNoted ? [notesOf(results, system)] : []),
      ]),
    }
  })
}

const notesOf = (results: readonly Result[], system: string): string =>
  [...new Set(results.filter((it) => it.system === system).flatMap((it) => it.note ?? []))].join('; ')

function repeated(results: readonly Result[]): string {
  const most = Math.max(...results.map(({ repetition }) => repetition))
  return most > 1 ? ` (${most} repetitions)` : ''
}

function spread(results: readonly Result[], system: string, key: string, ranged: boolean): string {
  const found = metricOf(results, system, key)
  if (!found) return '-'
  const range = ranged && found.count > 1 ? ` [${format(found.min)}..${format(found.max)}]` : ''
  return `${format(found.median)}${range}`
}

function ratio(results: readonly Result[], system: string, key: string): string {
  const found = ratioToOurs(results, system, key)
  return found ? `x ${format(found.median)}` : ''
}

/** Returns the table as text with aligned columns, for the terminal. */
export function print({ title, head, lines }: Table): string {
  const rows = [head, ...lines]
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return `\n${title}\n${rows.map(line).join('\n')}`
}
