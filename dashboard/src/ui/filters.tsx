import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { Query } from '../router.ts'
import { Button } from './button.tsx'
import { Icon } from './icon.tsx'

type Option = { value: string; label: string }

type ChipsProps = {
  label: string
  name: string
  options: Option[]
  query: URLSearchParams
  set: (change: Query) => void
  single?: boolean
}

/** A group of filters, as toggle buttons. The URL holds them as a comma-separated list. */
export function Chips({ label, name, options, query, set, single = false }: ChipsProps) {
  const chosen = (query.get(name) ?? '').split(',').filter(Boolean)
  const toggle = (value: string) => {
    const without = chosen.filter((it) => it !== value)
    const next = chosen.includes(value) ? without : single ? [value] : [...chosen, value]
    set({ [name]: next.join(',') })
  }
  return (
    <fieldset className="chips">
      <legend>{label}</legend>
      {options.map(({ value, label: text }) => (
        <button
          type="button"
          key={value}
          className="chip"
          aria-pressed={chosen.includes(value)}
          onClick={() => toggle(value)}
        >
          {text}
        </button>
      ))}
    </fieldset>
  )
}

const TYPING_MS = 250

type SearchProps = {
  label: string
  placeholder: string
  value: string
  onChange: (value: string) => void
  focus?: boolean
  hint?: ReactNode
}

/** A search field that reports what was typed once typing pauses. */
export function Search({ label, placeholder, value, onChange, focus = false }: SearchProps) {
  const [text, setText] = useState(value)
  const field = useRef<HTMLInputElement>(null)
  const latest = useRef(onChange)
  latest.current = onChange
  useEffect(() => setText(value), [value])
  useEffect(() => {
    if (focus) field.current?.focus()
  }, [focus])
  useEffect(() => {
    if (text === value) return
    const timer = setTimeout(() => latest.current(text), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text, value])
  return (
    <label className="search">
      <Icon name="search" />
      <span className="unseen">{label}</span>
      <input
        ref={field}
        type="search"
        placeholder={placeholder}
        value={text}
        maxLength={200}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  )
}

/** Filters that have no chip, such as one from a link. Each can be removed. */
export const Active = ({
  filters,
  set,
}: {
  filters: { name: string; label: string }[]
  set: (change: Query) => void
}) =>
  filters.length > 0 && (
    <div className="active-filters">
      {filters.map(({ name, label }) => (
        <Button
          key={name}
          className="chip on"
          icon="close"
          aria-label={`Remove the filter ${label}`}
          onClick={() => set({ [name]: null })}
        >
          {label}
        </Button>
      ))}
    </div>
  )
