import { escapeHidden } from '../shared/hidden-characters.ts'

export type Column = {
  title: string
  /** Whether the column may be truncated to make the table fit. */
  flexible?: true
  right?: true
}

const GAP = '  '
const LEAST = 8

/**
 * Returns rows under their titles, in aligned columns. If the table is too wide, the widest flexible columns are
 * truncated with an ellipsis.
 */
export function formatTable(columns: Column[], rows: string[][], width: number): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => row.map(toLine))]
  const widths = toWidths(columns, lines, width)
  return lines
    .map((line) =>
      line
        .map((text, i) => toCell(text, columns[i], widths[i] ?? 0))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n')
}

function toWidths(columns: Column[], lines: string[][], width: number): number[] {
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => lengthOf(line[i] ?? ''))))
  const total = () => widths.reduce((sum, it) => sum + it, GAP.length * (columns.length - 1))
  while (total() > width) {
    const widest = widestFlexible(columns, widths)
    const current = widths[widest]
    if (current === undefined || current <= LEAST) break
    widths[widest] = current - 1
  }
  return widths
}

function widestFlexible(columns: Column[], widths: number[]): number {
  const flexible = columns.flatMap(({ flexible }, i) => (flexible ? [i] : []))
  return flexible.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0] ?? -1
}

function toCell(text: string, column: Column | undefined, width: number): string {
  const shown = lengthOf(text) > width ? `${[...text].slice(0, width - 1).join('')}…` : text
  const space = ' '.repeat(width - lengthOf(shown))
  return column?.right ? space + shown : shown + space
}

const lengthOf = (text: string): number => [...text].length

/** Replaces control characters, since a detail may contain line breaks or terminal control sequences. */
const toLine = (text: string): string => escapeHidden(text.replaceAll(/\p{Cc}+/gu, ' '))
