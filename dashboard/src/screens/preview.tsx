import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { ApiError, bodyOf, client } from '../api/client.ts'
import { ZONE } from '../text/time.ts'
import { Ago, At } from '../ui/now.tsx'
import { Panel } from '../ui/states.tsx'
import { type Draft, toDefinition } from './draft.ts'

const TYPING_MS = 250
const RUNS = 10

const FIELDS = [
  'schedule_type',
  'interval_seconds',
  'interval_mode',
  'cron_expression',
  'timezone',
  'start_at',
  'end_at',
  'jitter_seconds',
  'next_run_at',
  'name',
  'max_runs',
]

/** The schedule in words and its next runs, as one types. */
export function Preview({ draft }: { draft: Draft }) {
  const { definition } = toDefinition(draft)
  const schedule = Object.fromEntries(
    FIELDS.flatMap((name) =>
      definition[name] === undefined || definition[name] === '' ? [] : [[name, definition[name]]],
    ),
  )
  const settled = useSettled(JSON.stringify({ ...schedule, count: RUNS }))
  const needsTime = draft.schedule_type === 'once' && draft.first === ''
  const { data, error } = useQuery({
    queryKey: ['preview', settled],
    queryFn: () => bodyOf(client.POST('/schedules/preview', { body: JSON.parse(settled) })),
    placeholderData: keepPreviousData,
    enabled: !needsTime,
    retry: false,
  })
  return (
    <Panel title="Preview">
      {needsTime ? (
        <p className="nothing">Choose a date and time.</p>
      ) : error ? (
        <p className="problem padded" role="status">
          {problemWords(error)}
        </p>
      ) : (
        data && (
          <>
            <p className="padded strong" role="status">
              {data.description}
            </p>
            <ol className="lines">
              {data.occurrences.map(({ effective_at, local, note }) => (
                <li key={effective_at}>
                  <At at={effective_at} />
                  {draft.schedule_type === 'cron' && draft.timezone !== ZONE && (
                    <span className="quiet num">{local.slice(11, 16)} there</span>
                  )}
                  {note && <span className="warn">{note}</span>}
                  <span className="line-end quiet">
                    <Ago at={effective_at} />
                  </span>
                </li>
              ))}
              {data.occurrences.length === 0 && <li className="quiet">It would never run.</li>}
            </ol>
          </>
        )
      )}
    </Panel>
  )
}

/** Returns what is wrong, without the names that the API has for fields. */
const problemWords = (error: Error): string =>
  (error instanceof ApiError && error.problem.errors?.map(({ detail }) => detail).join('; ')) || error.message

/** Returns the value once it has stopped changing. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
