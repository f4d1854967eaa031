import { casesOf, metricOf, type Result, ratioToOurs, type Spread } from '../results.ts'
import type { Row } from '../rows/row.ts'
import { format } from './number.ts'

const WIDTH = 900
const LABELS = 150
const BARS = 480
const BAR = 18
const GAP = 6
const HEAD = 34
const SPACE = 22

const COLORS = { ours: '#1f6feb', floor: '#b08800', other: '#8c959f' }

type Bar = { system: string; spread: Spread; ratio: Spread | null }
type Panel = { title: string; bars: Bar[] }

/**
 * Returns an SVG with a panel for each case: bars show the medians of the row's first metric, with the range and the
 * ratio to `ours`.
 */
export function chart(rows: Row[], results: readonly Result[]): string {
  const panels = rows.flatMap((row) => panelsOf(row, results))
  let top = SPACE
  const drawn = panels.map((panel) => {
    const at = top
    top += HEAD + panel.bars.length * (BAR + GAP) + SPACE
    return draw(panel, at)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"
  font-family="system-ui, sans-serif" font-size="13" fill="#1f2328">
<title>Medians for each case, with one bar for each system</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${drawn.join('\n')}
</svg>
`
}

function panelsOf(row: Row, results: readonly Result[]): Panel[] {
  const [{ key, label: what, unit, better }] = row.metrics
  return casesOf(results, row.name).flatMap((name) => {
    const own = results.filter((it) => it.row === row.name && it.case === name)
    const bars = [...new Set(own.map((it) => it.system))].flatMap((system) => {
      const spread = metricOf(own, system, key)
      return spread ? [{ system, spread, ratio: ratioToOurs(own, system, key) }] : []
    })
    const title = `${row.title}: ${name} (${[what, unit].filter(Boolean).join(' ')}, ${better} is better)`
    return bars.length > 1 ? [{ title, bars }] : []
  })
}

function draw({ title, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ spread }) => spread.max))
  const scale = (value: number): number => (most > 0 ? (value / most) * BARS : 0)
  const lines = bars.map((bar, index) => {
    const { system, spread } = bar
    const y = top + HEAD + index * (BAR + GAP)
    const middle = y + BAR / 2
    const range = `<path d="M${x(scale(spread.min))} ${middle}H${x(scale(spread.max))}" stroke="#1f2328" stroke-width="1.5"/>`
    return [
      text(LABELS - 8, middle, system, 'end'),
      `<rect x="${LABELS}" y="${y}" width="${Math.max(1, scale(spread.median)).toFixed(1)}" height="${BAR}" fill="${color(system)}"/>`,
      spread.count > 1 ? range : '',
      text(LABELS + scale(spread.max) + 8, middle, label(bar), 'start'),
    ].join('')
  })
  return `<text x="12" y="${top + 14}" font-weight="600">${xml(title)}</text>\n${lines.join('\n')}`
}

const x = (width: number): string => (LABELS + width).toFixed(1)

const label = ({ system, spread, ratio }: Bar): string =>
  system === 'ours' || !ratio ? format(spread.median) : `${format(spread.median)} (x ${format(ratio.median)})`

const color = (system: string): string =>
  system.startsWith('ours') ? COLORS.ours : system.startsWith('floor') ? COLORS.floor : COLORS.other

const text = (at: number, middle: number, content: string, anchor: 'start' | 'end'): string =>
  `<text x="${at.toFixed(1)}" y="${middle}" text-anchor="${anchor}" dominant-baseline="central">${xml(content)}</text>`

const xml = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
