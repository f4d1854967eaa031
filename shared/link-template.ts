import * as z from 'zod'

/** The values that a template may contain, in braces. Times are ISO 8601, or milliseconds since 1970. */
export const PLACEHOLDERS = [
  'execution_id',
  'task_id',
  'task_name',
  'attempt',
  'from',
  'to',
  'from_ms',
  'to_ms',
] as const

export type LinkValues = Record<(typeof PLACEHOLDERS)[number], string | number>

const PLACEHOLDER = /\{(\w*)\}/g

const isKnown = (name: string): name is keyof LinkValues => PLACEHOLDERS.some((it) => it === name)

/** A URL with placeholders, such as `https://logs.example.org/?id={execution_id}`. */
export const linkTemplate = z.string().superRefine((template, context) => {
  const names = [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name)
  const unknown = names.find((name) => !isKnown(name))
  if (unknown !== undefined) context.addIssue(`has no value for {${unknown}}`)
  const url = URL.parse(template.replaceAll(PLACEHOLDER, '1'))
  if (!url || !/^https?:$/.test(url.protocol)) context.addIssue('must be an http or https URL')
})

/** Replaces each placeholder in a template by its value, encoded for a URL. */
export const fillTemplate = (template: string, values: LinkValues): string =>
  template.replaceAll(PLACEHOLDER, (_, name: string) =>
    isKnown(name) ? encodeURIComponent(values[name]) : '',
  )
