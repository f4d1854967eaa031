import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { localTime } from '../text/time.ts'

export type Series = {
  label: string
  values: (number | null)[]
  color: string
  bars?: boolean
  dots?: boolean
}

type Props = {
  /** What the chart shows, for screen readers. */
  summary: string
  /** Seconds since 1970, ascending. */
  at: number[]
  series: Series[]
  /** Stacks the series, the first at the bottom. */
  stacked?: boolean
  format: (value: number) => string
  height?: number
}

const BARS = uPlot.paths.bars?.({ size: [0.7, 40] })

/** Returns the points that no line connects, since nothing ran just before and after them. */
const LONE: uPlot.Series.Points.Filter = (plot, series) => {
  const values = plot.data[series] ?? []
  const isGap = (index: number) => values[index] === null || values[index] === undefined
  return [...values.keys()].filter((index) => !isGap(index) && isGap(index - 1) && isGap(index + 1))
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** Draws series over time. Redraws when its container's size, the theme or the data changes. */
export function Chart({ summary, at, series, stacked = false, format, height = 180 }: Props) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const shape = series.map(({ label, color, bars, dots }) => [label, color, bars, dots].join()).join(';')
  const data = toData(at, series, stacked)
  const latest = useRef({ data, series, format, stacked })
  latest.current = { data, series, format, stacked }

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for the series; their values go in below
  useEffect(() => {
    const element = place.current
    if (!element) return
    const draw = () => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsOf(element, height, latest), latest.current.data, element)
    }
    draw()
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }))
    sizes.observe(element)
    const theme = matchMedia('(prefers-color-scheme: dark)')
    theme.addEventListener('change', draw)
    return () => {
      sizes.disconnect()
      theme.removeEventListener('change', draw)
      plot.current?.destroy()
      plot.current = null
    }
  }, [shape, height])

  useEffect(() => {
    plot.current?.setData(data)
  }, [data])

  return <div ref={place} className="chart" role="img" aria-label={summary} />
}

/** uPlot draws a stack as overlapping series, the total first. */
function toData(at: number[], series: Series[], stacked: boolean): uPlot.AlignedData {
  if (!stacked) return [at, ...series.map(({ values }) => values)]
  const sums = new Array<number>(at.length).fill(0)
  const stacks = series.map(({ values }) =>
    values.map((value, index) => (sums[index] = (sums[index] ?? 0) + (value ?? 0))),
  )
  return [at, ...stacks.reverse()]
}

type Latest = {
  current: { data: uPlot.AlignedData; series: Series[]; format: (value: number) => string; stacked: boolean }
}

function optionsOf(element: HTMLElement, height: number, latest: Latest): uPlot.Options {
  const { series, stacked } = latest.current
  const font = `11px ${css('--font')}`
  const axis = {
    stroke: css('--text-2'),
    font,
    grid: { stroke: css('--line'), width: 1 },
    ticks: { show: false },
  }
  const drawn = stacked ? series.toReversed() : series
  return {
    width: element.clientWidth,
    height,
    padding: [null, 24, null, null],
    cursor: { y: false, points: { size: 6 }, drag: { setScale: false, x: false } },
    legend: { show: series.length > 1 || series[0]?.dots === true },
    scales: {
      x: { range: (_plot, from, until) => padded(from, until, latest.current.data[0].length) },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      { ...axis, space: 70, size: 40, values: (_plot, at) => labels(at) },
      {
        ...axis,
        size: (_plot, values) => Math.max(62, ...(values ?? []).map(({ length }) => 16 + 6 * length)),
        values: (_plot, values) => values.map((value) => latest.current.format(value)),
      },
    ],
    series: [
      { value: (_plot, at) => (at ? localTime(at * 1000, Date.now()) : '') },
      ...drawn.map(({ label, color, bars, dots }, index): uPlot.Series => {
        const tone = css(color)
        return {
          label,
          stroke: tone,
          width: bars ? 0 : 1.5,
          ...(bars && BARS && { fill: tone, paths: BARS, points: { show: false } }),
          ...(dots && { paths: () => null, points: { show: true, size: 5, fill: tone } }),
          ...(!bars && !dots && { points: { show: true, filter: LONE, size: 4, fill: tone } }),
          value: (_plot, _value, _series, at) => {
            const own =
              at === null
                ? null
                : latest.current.series.find((it) => it.label === drawn[index]?.label)?.values[at]
            return own === null || own === undefined ? '–' : latest.current.format(own)
          },
        }
      }),
    ],
  }
}

/** Returns the range, with room for half a bar at both ends. uPlot would widen the range of a single point to days. */
function padded(from: number, until: number, count: number): [number, number] {
  if (count < 2) return [from - 30, from + 30]
  const half = Math.max(1, (until - from) / Math.max(2, 2 * count))
  return [from - half, until + half]
}

const DAY: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short' }
const TIME: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }

/**
 * Returns labels in local time: with the date where it changes, with seconds if they are less than a minute apart, or
 * only dates.
 */
function labels(at: number[]): string[] {
  const step = (at[1] ?? 0) - (at[0] ?? 0)
  const isClose = step < 60
  const time = new Intl.DateTimeFormat(undefined, isClose ? { ...TIME, second: '2-digit' } : TIME)
  const date = new Intl.DateTimeFormat(undefined, DAY)
  const days = at.map((seconds) => date.format(seconds * 1000))
  // A day with a clock change has 23 hours.
  if (step >= 23 * 3600) return days
  return at.map((seconds, index) => {
    const hour = time.format(seconds * 1000)
    return index === 0 || days[index] === days[index - 1] ? hour : `${hour}\n${days[index]}`
  })
}
