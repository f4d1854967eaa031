import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import {
  countHit,
  deleteTask,
  doToAll,
  pauseTask,
  resumeTask,
  runTask,
  toEach,
  useDo,
} from '../api/actions.ts'
import type { Query } from '../api/requests.ts'
import { useRefusal } from '../session.tsx'
import { plural } from '../text/words.ts'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/confirm.tsx'
import { Menu } from '../ui/menu.tsx'

const VERBS = {
  run: {
    label: 'Run',
    done: 'started',
    scope: 'run',
    icon: 'play',
    each: (id: number) => runTask(id, 'queue'),
  },
  pause: {
    label: 'Pause',
    done: 'paused',
    scope: 'write',
    icon: 'pause',
    each: (id: number) => pauseTask(id),
  },
  resume: { label: 'Resume', done: 'resumed', scope: 'write', icon: 'play', each: resumeTask },
  delete: { label: 'Delete', done: 'deleted', scope: 'write', icon: 'trash', each: deleteTask },
} as const

type Verb = keyof typeof VERBS

const ALL_VERBS = ['pause', 'resume', 'delete'] as const

const NAMES_SHOWN = 8

const deletionWords = (tasks: number): string =>
  `${tasks === 1 ? 'Its' : 'Their'} executions are deleted too, for good.`

type Props = {
  selected: ReadonlyMap<number, string>
  clear: () => void
  filter: Query
  shown: number
  isComplete: boolean
}

/**
 * Actions for the selected tasks, or for all that match the filter. Nothing happens before it says what would be hit.
 */
export function BulkBar({ selected, clear, filter, shown, isComplete }: Props) {
  const [asked, setAsked] = useState<{ verb: Verb; toAll: boolean } | null>(null)
  const refusal = useRefusal()
  const count = selected.size
  return (
    <div className="bulk-bar">
      <p className="quiet num" aria-live="polite">
        {count > 0
          ? `${plural(count, 'task')} selected`
          : `${plural(shown, 'task')}${isComplete ? '' : ' and more below'}`}
      </p>
      {count > 0 ? (
        <div className="actions">
          {(Object.keys(VERBS) as Verb[]).map((verb) => (
            <Button
              key={verb}
              icon={VERBS[verb].icon}
              refused={refusal(VERBS[verb].scope)}
              onClick={() => setAsked({ verb, toAll: false })}
            >
              {VERBS[verb].label}
            </Button>
          ))}
          <Button kind="plain" onClick={clear}>
            Clear
          </Button>
        </div>
      ) : (
        <Menu
          label="Actions for all tasks that match"
          text="All that match"
          items={ALL_VERBS.map((verb) => ({
            label: `${VERBS[verb].label} all…`,
            icon: VERBS[verb].icon,
            danger: verb === 'delete',
            refused: refusal(VERBS[verb].scope),
            onSelect: () => setAsked({ verb, toAll: true }),
          }))}
        />
      )}
      {asked && !asked.toAll && (
        <OfSelected verb={asked.verb} selected={selected} onClose={() => setAsked(null)} onDone={clear} />
      )}
      {asked?.toAll && asked.verb !== 'run' && (
        <OfAll verb={asked.verb} filter={filter} onClose={() => setAsked(null)} />
      )}
    </div>
  )
}

type SelectedProps = {
  verb: Verb
  selected: ReadonlyMap<number, string>
  onClose: () => void
  onDone: () => void
}

function OfSelected({ verb, selected, onClose, onDone }: SelectedProps) {
  const perform = useDo()
  const { label, done, each } = VERBS[verb]
  const names = [...selected.values()]
  const confirm = () =>
    perform(
      async () => {
        const result = await toEach([...selected.keys()], each)
        onDone()
        if (result.failed > 0)
          throw new Error(`${plural(result.done, 'task')} ${done}, ${result.failed} not: ${result.reason}`)
        return result
      },
      (result) => `${plural(result.done, 'task')} ${done}`,
    )
  return (
    <Confirm
      title={`${label} ${plural(names.length, 'task')}?`}
      verb={label}
      danger={verb === 'delete'}
      onClose={onClose}
      onConfirm={confirm}
    >
      <ul className="names">
        {names.slice(0, NAMES_SHOWN).map((name) => (
          <li key={name}>{name}</li>
        ))}
        {names.length > NAMES_SHOWN && <li>and {names.length - NAMES_SHOWN} more</li>}
      </ul>
      {verb === 'delete' && <p>{deletionWords(names.length)}</p>}
    </Confirm>
  )
}

function OfAll({
  verb,
  filter,
  onClose,
}: {
  verb: Exclude<Verb, 'run'>
  filter: Query
  onClose: () => void
}) {
  const perform = useDo()
  const { label, done } = VERBS[verb]
  const { data, error } = useQuery({
    queryKey: ['dry-run', verb, filter],
    queryFn: () => countHit(verb, filter),
    gcTime: 0,
  })
  const words = Object.entries(filter).map(([name, value]) => `${name} ${value}`)
  return (
    <Confirm
      title={`${label} all that match?`}
      verb={data ? `${label} ${plural(data.matched, 'task')}` : label}
      danger={verb === 'delete'}
      isReady={data !== undefined && data.matched > 0}
      onClose={onClose}
      onConfirm={() =>
        perform(
          () => doToAll(verb, filter),
          (result) => `${plural(result.changed, 'task')} ${done}`,
        )
      }
    >
      <p>
        {words.length > 0 ? `The filter: ${words.join(', ')}.` : 'There is no filter, so this is every task.'}
      </p>
      <p aria-live="polite">
        {error ? error.message : data ? `It matches ${plural(data.matched, 'task')}.` : 'Counting…'}
      </p>
      {verb === 'delete' && data && <p>{deletionWords(data.matched)}</p>}
    </Confirm>
  )
}
