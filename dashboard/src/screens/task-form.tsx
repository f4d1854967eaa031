import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useLayoutEffect, useRef, useState } from 'react'
import { ApiError, bodyOf, client } from '../api/client.ts'
import type { Task, TaskCreate } from '../api/model.ts'
import { getTask } from '../api/requests.ts'
import { taskTypes } from '../api/task-types.ts'
import { go, to, useFilters } from '../router.ts'
import { useRefusal } from '../session.tsx'
import { Button } from '../ui/button.tsx'
import { CopyBlock } from '../ui/copy.tsx'
import { Field, NumberField, SelectField, TextField } from '../ui/field.tsx'
import { Head } from '../ui/head.tsx'
import { Failure, Message, Panel, Skeleton } from '../ui/states.tsx'
import { say } from '../ui/toast.tsx'
import { curlOf, type Definition, definitionOf } from './definition.ts'
import { type Draft, draftOf, EMPTY, type Problems, RESET, toDefinition } from './draft.ts'
import { ParamFields } from './param-fields.tsx'
import { Preview } from './preview.tsx'
import { ScheduleFields } from './schedule-fields.tsx'

/** A new task, empty or as a copy of another (`?from=`). */
export function NewTask() {
  const [query] = useFilters()
  const from = Number(query.get('from'))
  const { data, error } = useQuery({
    queryKey: ['task', from],
    queryFn: () => getTask(from),
    enabled: from > 0,
  })
  if (from > 0 && error) return <Failure isPage error={error} />
  if (from > 0 && !data) return <Skeleton rows={8} />
  return (
    <Form
      key={from}
      title="New task"
      draft={data ? { ...draftOf(data), name: `${data.name} copy` } : EMPTY}
    />
  )
}

export function EditTask({ id }: { id: number }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['task', id],
    queryFn: () => getTask(id),
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (error) return <Failure isPage error={error} retry={refetch} />
  if (!data) return <Skeleton rows={8} />
  return <Form title={`Edit ${data.name}`} draft={draftOf(data)} task={data} />
}

function problemsOf(error: unknown): Problems {
  if (!(error instanceof ApiError)) return {}
  return Object.fromEntries(
    (error.problem.errors ?? []).flatMap((it) =>
      'pointer' in it ? [[it.pointer.replace(/^#\//, ''), it.detail]] : [],
    ),
  )
}

function Form({ title, draft: first, task: latest }: { title: string; draft: Draft; task?: Task }) {
  const [draft, setDraft] = useState(first)
  // The task as it was when editing began: what has changed meanwhile must not be overwritten unseen.
  const [task] = useState(latest)
  const [error, setError] = useState<Error | null>(null)
  const [isBusy, setBusy] = useState(false)
  const [isTried, setTried] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  const [marked, setMarked] = useState<string[]>([])
  useLayoutEffect(() => setMarked(error && form.current ? leadToProblems(form.current) : []), [error])
  const queries = useQueryClient()
  const refusal = useRefusal()('write')
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }))
  const { definition, problems: local } = toDefinition(draft, task === undefined)
  const problems = { ...problemsOf(error), ...(isTried && local) }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (Object.keys(local).length > 0) return setError(new Error('Something is missing or wrong.'))
    setBusy(true)
    try {
      const saved = task
        ? await change(task, definition)
        : // The server checks what the form can't, so the cast claims no more than that.
          await bodyOf(client.POST('/tasks', { body: definition as unknown as TaskCreate }))
      await queries.invalidateQueries()
      say(task ? `${saved.name} is saved` : `${saved.name} is created`)
      go(to(`/tasks/${saved.id}`))
    } catch (thrown) {
      setError(thrown as Error)
    } finally {
      setBusy(false)
    }
  }
  if (refusal)
    return (
      <Message isPage title="Your key does not allow this">
        {refusal}
      </Message>
    )
  return (
    <form className="task-form" ref={form} onSubmit={submit} noValidate>
      <Head
        title={title}
        above={task ? <a href={to(`/tasks/${task.id}`)}>{task.name}</a> : <a href={to('/tasks')}>Tasks</a>}
      />
      <div className="form-columns">
        <div className="stack">
          <Panel title="What">
            <div className="fields">
              <TextField
                label="Name"
                value={draft.name}
                onChange={(name) => set({ name })}
                problem={problems.name}
                disabled={task !== undefined}
                hint={task ? 'A name stays.' : 'Unique, up to 200 characters.'}
                required
              />
              <Field label="Type" hint={taskTypes[draft.type]?.description}>
                {(props) => (
                  <select
                    {...props}
                    value={draft.type}
                    disabled={task !== undefined}
                    onChange={(event) => set({ type: event.target.value, params: {} })}
                  >
                    {Object.keys(taskTypes).map((type) => (
                      <option key={type}>{type}</option>
                    ))}
                  </select>
                )}
              </Field>
              <ParamFields
                type={draft.type}
                params={draft.params}
                onChange={(params) => set({ params })}
                problems={problems}
              />
              <TextField
                label="Description"
                value={draft.description}
                onChange={(description) => set({ description })}
                problem={problems.description}
                hint="Optional: what colleagues should know."
              />
              <TextField
                label="Tags"
                value={draft.tags}
                onChange={(tags) => set({ tags })}
                problem={problems.tags}
                hint="Optional, with commas between them."
              />
            </div>
          </Panel>
          <Panel title="When">
            <ScheduleFields draft={draft} set={set} problems={problems} isNew={task === undefined} />
          </Panel>
          <Panel title="If something goes wrong">
            <Reliability draft={draft} set={set} problems={problems} />
          </Panel>
          {error && (
            <div className="note bad" role="alert">
              <p className="note-title">Not saved</p>
              <p>{isStale(error) ? STALE : refusalWords(error, marked)}</p>
            </div>
          )}
          <div className="actions">
            <Button type="submit" kind="primary" disabled={isBusy}>
              {task ? 'Save' : 'Create task'}
            </Button>
            <a className="button" href={task ? to(`/tasks/${task.id}`) : to('/tasks')}>
              Cancel
            </a>
          </div>
        </div>
        <aside className="stack" aria-label="Preview">
          <Preview draft={draft} />
          <Panel title="The same as curl">
            <CopyBlock text={curlOf(definition)} label="Copy as curl" />
          </Panel>
        </aside>
      </div>
    </form>
  )
}

const STALE =
  'Somebody has changed this task since you opened it. Open it again to see how, and then make your change.'

/** Moves the focus to the first field that has a problem, and returns the labels of all that have one. */
function leadToProblems(form: HTMLFormElement): string[] {
  const fields = [...form.querySelectorAll<HTMLInputElement>('[aria-invalid=true]')]
  for (const field of fields) field.closest('details')?.setAttribute('open', '')
  fields[0]?.focus()
  return fields.map(({ labels }) => labels?.[0]?.textContent ?? '')
}

/** Says which fields are wrong, or repeats the API's words if a problem belongs to no field. */
function refusalWords(error: Error, marked: string[]): string {
  const isAllMarked = marked.length > 0 && marked.length >= Object.keys(problemsOf(error)).length
  return isAllMarked ? `Look at the fields marked in red: ${marked.join(', ')}.` : error.message
}

const isStale = (error: Error): boolean => error instanceof ApiError && error.status === 412

/** Whether two values are the same to a form, which knows times to the second. */
function isSame(a: unknown, b: unknown): boolean {
  const bySecond = (value: unknown) =>
    typeof value === 'string' && INSTANT.test(value) ? value.slice(0, 19) : value
  return JSON.stringify(bySecond(a)) === JSON.stringify(bySecond(b))
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Changes only what differs, and only if nobody else has changed the task meanwhile. */
async function change(task: Task, definition: Definition): Promise<Task> {
  const before = definitionOf(task)
  const names = Object.keys({ ...before, ...definition }).filter((name) => !['name', 'type'].includes(name))
  const differing = names.filter((name) => !isSame(before[name], definition[name]))

  const body = Object.fromEntries(differing.map((name) => [name, definition[name] ?? RESET[name] ?? null]))
  const headers = { 'If-Match': `"${task.version}"` }
  return bodyOf(
    client.PATCH('/tasks/{id}', {
      params: { path: { id: task.id }, header: headers },
      headers,
      body: body as never,
    }),
  )
}

type PartProps = { draft: Draft; set: (change: Partial<Draft>) => void; problems: Problems }

function Reliability({ draft, set, problems }: PartProps) {
  const number = (name: keyof Draft & string, label: string, hint: string, unit?: string) => (
    <NumberField
      label={label}
      unit={unit}
      hint={hint}
      value={String(draft[name])}
      onChange={(value) => set({ [name]: value })}
      problem={problems[name]}
    />
  )
  return (
    <div className="fields two">
      {number('max_attempts', 'Attempts', 'Including the first. Default: 1.')}
      {number('retry_backoff_seconds', 'Wait before a retry', 'Doubles with each retry. Default: 5.', 's')}
      {number('timeout_seconds', 'Timeout', "Default: the server's.", 's')}
      {number('pause_after_failures', 'Pause after failures', 'In a row. Empty: never.')}
      <SelectField
        label="If the previous run is still open"
        value={draft.overlap_policy}
        onChange={(overlap_policy) => set({ overlap_policy })}
        options={[
          ['skip', 'Skip'],
          ['queue', 'Run once it has ended'],
        ]}
      />
      <SelectField
        label="What was missed meanwhile"
        value={draft.misfire_policy}
        onChange={(misfire_policy) => set({ misfire_policy })}
        options={[
          ['fire_once', 'Run the latest once'],
          ['skip', 'Skip'],
          ['fire_all', 'Run all (up to 100)'],
        ]}
      />
    </div>
  )
}
