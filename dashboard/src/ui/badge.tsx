import { stateWord, statusWord } from '../text/words.ts'

/** The status of an execution: a coloured dot and its word. */
export const StatusBadge = ({ status }: { status: string }) => (
  <span className={`badge tone-${status}`}>
    <span className="dot" aria-hidden="true" />
    {statusWord(status)}
  </span>
)

export const StateBadge = ({ state }: { state: string }) => (
  <span className={`badge state-${state}`}>
    <span className="dot" aria-hidden="true" />
    {stateWord(state)}
  </span>
)
