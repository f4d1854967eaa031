import * as z from 'zod'

type JsonSchema = {
  type?: string
  enum?: string[]
  format?: string
  pattern?: string
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  items?: JsonSchema
}

/** The maximum of integer schemas that have no limit of their own. */
const UNLIMITED = 2 ** 31 - 1

/** Describes the values that a schema accepts, for a reference page. */
export function typeOf(schema: z.ZodType): string {
  return inWords(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema)
}

function inWords(json: JsonSchema): string {
  if (json.enum) return json.enum.map((value) => `\`${value}\``).join(', ')
  if (json.format === 'date-time') return 'timestamp (ISO 8601)'
  if (json.type === 'integer' || json.type === 'number') return `${json.type}${range(json)}`
  if (json.type === 'string')
    return json.maxLength ? `text, up to ${count(json.maxLength)} characters` : 'text'
  if (json.type === 'array') return `list of ${json.items ? inWords(json.items) : 'values'}${most(json)}`
  return json.type ?? 'any'
}

const count = (value: number): string => value.toLocaleString('en')

const most = ({ maxItems }: JsonSchema): string => (maxItems ? `, up to ${count(maxItems)}` : '')

function range({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const isLimited = maximum !== undefined && maximum < UNLIMITED
  const low = minimum ?? exclusiveMinimum
  if (low === undefined) return isLimited ? `, up to ${count(maximum)}` : ''
  const from = exclusiveMinimum === undefined ? count(low) : `above ${count(low)}`
  return isLimited ? `, ${from} to ${count(maximum)}` : `, ${from} or more`
}
