import type { Outcome } from '../api/model.ts'
import { duration } from '../text/time.ts'
import { plural, statusWord } from '../text/words.ts'

const SHOWN = 20

/** The last runs as a strip of bars, oldest first. Only successes are short, so color isn't the only difference. */
export function Outcomes({ recent }: { recent: Outcome[] }) {
  const shown = recent.slice(-SHOWN)
  const successes = shown.filter(({ status }) => status === 'success').length
  const said =
    shown.length === 0 ? 'No runs yet' : `${successes} of the last ${plural(shown.length, 'run')} succeeded`
  return (
    <span className="outcomes" role="img" aria-label={said} title={said}>
      {Array.from({ length: SHOWN - shown.length }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the empty places have no other identity
        <i key={index} className="none" />
      ))}
      {shown.map(({ id, status, duration_ms }) => (
        <i key={id} className={`tone-${status}`} title={`${statusWord(status)}, ${duration(duration_ms)}`} />
      ))}
    </span>
  )
}
