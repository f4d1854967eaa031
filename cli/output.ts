import { escapeHidden } from '../shared/hidden-characters.ts'
import { type Column, formatTable } from './table.ts'

const DEFAULT_WIDTH = 80

export type Output = {
  /** Prints a sentence or, with `--json`, the value. */
  say(sentence: string, value: unknown): void
  /** Prints a table or, with `--json`, the unformatted rows. */
  table<Row>(columns: (Column & { cell: (row: Row) => string })[], rows: Row[], empty: string): void
}

export function outputTo(write: (text: string) => void, json: boolean): Output {
  const print = (text: string): void => write(escapeHidden(`${text}\n`))
  const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))
  return {
    say: (sentence, value) => (json ? printJson(value) : print(sentence)),
    table(columns, rows, empty) {
      if (json) return printJson(rows)
      if (rows.length === 0) return print(empty)
      const cells = rows.map((row) => columns.map(({ cell }) => cell(row)))
      print(formatTable(columns, cells, terminalWidth()))
    },
  }
}

const terminalWidth = (): number => Number(process.env.COLUMNS) || process.stdout.columns || DEFAULT_WIDTH

/** Returns a UTC timestamp to the second, or a dash if there is none. */
export const shortInstant = (instant: string | null): string =>
  instant?.replace('T', ' ').replace(/(\.\d+)?Z$/, '') ?? '-'
