import { useQuery } from '@tanstack/react-query'
import { serverNow } from '../api/conditional.ts'
import { live } from '../api/live.ts'
import type { Bucket, Stats } from '../api/model.ts'
import { getStats, type Query } from '../api/requests.ts'
import { useFilters } from '../router.ts'
import { duration } from '../text/time.ts'
import { statusWord } from '../text/words.ts'
import { Chart, type Series } from '../ui/chart.tsx'
import { Failure, Panel, Skeleton } from '../ui/states.tsx'

const WINDOWS = {
  '1h': { label: '1 h', ms: 3_600_000, bucket: 'minute' },
  '24h': { label: '24 h', ms: 86_400_000, bucket: 'hour' },
  '7d': { label: '7 days', ms: 604_800_000, bucket: 'hour' },
  '30d': { label: '30 days', ms: 2_592_000_000, bucket: 'day' },
} as const

type Window = keyof typeof WINDOWS

const isWindow = (value: string | null): value is Window => value !== null && Object.hasOwn(WINDOWS, value)

const OUTCOMES = [
  ['success', '--success'],
  ['failed', '--failed'],
  ['timeout', '--timeout'],
  ['lost', '--lost'],
  ['cancelled', '--cancelled'],
] as const

/** A whole minute, so that the address and its ETag stay the same for that long. */
const MINUTE_MS = 60_000

type Props = {
  filter?: Query
  /** When the oldest task was created. Until there is more than an hour to see, an hour is shown. */
  since?: string | undefined
}

/** How runs went in a window: numbers, and two charts. */
export function StatsPanels({ filter = {}, since }: Props) {
  const [query, set] = useFilters()
  const asked = query.get('window')
  const isFresh = since !== undefined && serverNow() - Date.parse(since) < WINDOWS['1h'].ms
  const name = isWindow(asked) ? asked : isFresh ? '1h' : '24h'
  const { data, error, refetch } = useQuery({
    queryKey: ['stats', name, filter],
    queryFn: () => {
      const { ms, bucket } = WINDOWS[name]
      const to = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS
      return getStats({
        ...filter,
        from: new Date(to - ms).toISOString(),
        to: new Date(to).toISOString(),
        bucket,
      })
    },
    refetchInterval: live<Stats>(),
    placeholderData: (before) => before,
  })
  const windows = (
    <fieldset className="segments">
      <legend className="unseen">Window</legend>
      {(Object.keys(WINDOWS) as Window[]).map((it) => (
        <button type="button" key={it} aria-pressed={it === name} onClick={() => set({ window: it })}>
          {WINDOWS[it].label}
        </button>
      ))}
    </fieldset>
  )
  return (
    <Panel title="How it went" aside={windows}>
      {error && !data ? (
        <Failure error={error} retry={refetch} />
      ) : data ? (
        <Numbers stats={data} />
      ) : (
        <Skeleton rows={6} />
      )}
    </Panel>
  )
}

const BUCKET_SECONDS: Record<string, number> = { minute: 60, hour: 3600, day: 86_400 }

/** Returns all buckets of the window. The API leaves out those in which nothing ran, which a chart must show. */
function fill({ from, to, bucket, buckets }: Stats): { at: number; bucket: Bucket | undefined }[] {
  const step = BUCKET_SECONDS[bucket] ?? 3600
  const known = new Map(buckets.map((it) => [Date.parse(it.start) / 1000, it]))
  const first = Math.floor(Date.parse(from) / 1000 / step) * step
  const count = Math.ceil((Date.parse(to) / 1000 - first) / step)
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * step
    return { at, bucket: known.get(at) }
  })
}

const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

function Numbers({ stats }: { stats: Stats }) {
  const { totals } = stats
  const runs = total(totals.runs)
  const successes = totals.runs.success ?? 0
  const filled = fill(stats)
  const at = filled.map(({ at }) => at)
  const outcomes: Series[] = OUTCOMES.filter(([status]) => (totals.runs[status] ?? 0) > 0).map(
    ([status, color]) => ({
      label: statusWord(status),
      color,
      bars: true,
      values: filled.map(({ bucket }) => bucket?.runs[status] ?? 0),
    }),
  )
  const late: Series[] = [
    { label: 'p95', color: '--accent', values: filled.map(({ bucket }) => bucket?.late_ms?.p95 ?? null) },
    { label: 'p50', color: '--text-2', values: filled.map(({ bucket }) => bucket?.late_ms?.p50 ?? null) },
  ]
  const rate = runs === 0 ? '–' : `${floor((successes / runs) * 100)} %`
  return (
    <>
      <dl className="numbers">
        <Fact name="Runs" value={runs.toLocaleString()} />
        <Fact
          name="Succeeded"
          value={rate}
          {...(successes < runs && { note: `${(runs - successes).toLocaleString()} did not` })}
        />
        <Fact name="Started late, p95" value={duration(totals.late_ms?.p95)} />
        <Fact name="Duration, p95" value={duration(totals.duration_ms?.p95)} />
        <Fact name="Skipped" value={total(totals.skipped).toLocaleString()} />
      </dl>
      <div className="columns charts">
        <figure>
          <figcaption>Runs by outcome</figcaption>
          <Chart
            summary={`${runs} runs, ${rate} succeeded`}
            at={at}
            series={outcomes}
            stacked
            format={(value) => value.toLocaleString()}
          />
        </figure>
        <figure>
          <figcaption>Lateness</figcaption>
          <Chart
            summary={`Lateness: p95 ${duration(totals.late_ms?.p95)}`}
            at={at}
            series={late}
            format={duration}
          />
        </figure>
      </div>
    </>
  )
}

/** Never rounds up to 100 % what isn't. */
const floor = (percent: number): string =>
  percent === 100 ? '100' : (Math.floor(percent * 100) / 100).toFixed(percent >= 99 ? 2 : 1)

const Fact = ({ name, value, note }: { name: string; value: string; note?: string }) => (
  <div>
    <dt>{name}</dt>
    <dd className="num">
      {value}
      {note && <small>{note}</small>}
    </dd>
  </div>
)
