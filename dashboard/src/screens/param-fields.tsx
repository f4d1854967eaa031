import { useState } from 'react'
import { type ParamSchema, taskTypes } from '../api/task-types.ts'
import { Field, NumberField, SelectField, TextField } from '../ui/field.tsx'
import type { Problems } from './draft.ts'

type Params = Record<string, unknown>

type Props = { type: string; params: Params; onChange: (params: Params) => void; problems: Problems }

/** A field for each param of the type, as its schema says. Those that take JSON are seldom needed, so they are folded. */
export function ParamFields({ type, params, onChange, problems }: Props) {
  const all = Object.entries(taskTypes[type]?.params.properties ?? {})
  const field = ([name, schema]: [string, ParamSchema]) => {
    const set = (value: unknown) => {
      const { [name]: _, ...others } = params
      onChange(value === undefined ? others : { ...others, [name]: value })
    }
    const problem = Object.entries(problems).find(
      ([path]) => path === `params/${name}` || path.startsWith(`params/${name}/`),
    )
    return (
      <ParamField
        key={`${type}-${name}`}
        name={name}
        schema={schema}
        value={params[name]}
        onChange={set}
        problem={problem?.[1]}
      />
    )
  }
  const folded = all.filter(([, schema]) => !isSimple(schema))
  const isUsed = folded.some(([name]) => params[name] !== undefined)
  return (
    <>
      {all.filter(([, schema]) => isSimple(schema)).map(field)}
      {folded.length > 0 && (
        <details open={isUsed}>
          <summary>{folded.map(([name]) => labelOf(name)).join(', ')}</summary>
          <div className="fields">{folded.map(field)}</div>
        </details>
      )}
    </>
  )
}

const isSimple = ({ type = '' }: ParamSchema): boolean => ['string', 'number', 'integer'].includes(type)

const labelOf = (name: string): string =>
  name === 'url' ? 'URL' : name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')

type FieldProps = {
  name: string
  schema: ParamSchema
  value: unknown
  onChange: (value: unknown) => void
  problem: string | undefined
}

function ParamField({ name, schema, value, onChange, problem }: FieldProps) {
  const standard = schema.default === undefined ? undefined : JSON.stringify(schema.default)
  // A setting of the server is nobody's to know here, and the form doesn't rely on it.
  const description = schema.description?.replace(/ Default: `[A-Z_]+`\./, '').replaceAll('`', '')
  const hint = [description, standard && `Default: ${standard}.`].filter(Boolean).join(' ')
  const label = labelOf(name)
  const common = { label, hint, problem }
  if (schema.enum) {
    const chosen = String(value ?? schema.default ?? schema.enum[0])
    return (
      <SelectField
        {...common}
        value={chosen}
        onChange={(text) => onChange(text === schema.default ? undefined : text)}
        options={schema.enum.map((it) => [it, it] as const)}
      />
    )
  }
  if (schema.type === 'string')
    return (
      <TextField
        {...common}
        value={String(value ?? '')}
        onChange={(text) => onChange(text === '' ? undefined : text)}
        placeholder={schema.format === 'uri' ? 'https://' : ''}
      />
    )
  if (schema.type === 'number' || schema.type === 'integer')
    return (
      <NumberField
        {...common}
        value={value === undefined ? '' : String(value)}
        onChange={(text) => onChange(toNumber(text))}
      />
    )
  return <JsonField {...common} value={value} onChange={onChange} />
}

/** What isn't a number stays a text, so that the API can say what is wrong with it. */
function toNumber(text: string): unknown {
  if (text.trim() === '') return undefined
  return Number.isNaN(Number(text)) ? text : Number(text)
}

type JsonProps = {
  label: string
  hint: string
  problem: string | undefined
  value: unknown
  onChange: (value: unknown) => void
}

/** A field for any JSON. A text that isn't JSON is taken as text, as the API does with a body. */
function JsonField({ label, hint, problem, value, onChange }: JsonProps) {
  const [text, setText] = useState(() =>
    value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value, null, 2),
  )
  const change = (next: string) => {
    setText(next)
    onChange(next.trim() === '' ? undefined : parse(next))
  }
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(props) => (
        <textarea
          {...props}
          className="code"
          rows={Math.min(8, text.split('\n').length)}
          spellCheck={false}
          value={text}
          onChange={(event) => change(event.target.value)}
        />
      )}
    </Field>
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
