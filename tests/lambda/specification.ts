import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec'
import type { Template } from './template.ts'

const specification = loadAwsServiceSpecSync()

type Properties = NonNullable<ReturnType<typeof resourceNamed>>['properties']
type Type = Properties[string]['type']

const resourceNamed = (type: string) =>
  specification.lookup('resource', 'cloudFormationType', 'equals', type)[0]

/**
 * Returns the errors that CloudFormation would report for a template, according to AWS's own resource specification:
 * unknown types and properties, missing properties, and values of the wrong type. Intrinsic functions (`Ref`,
 * `Fn::GetAtt`) are accepted everywhere, because their results are unknown here.
 */
export function complaints({ Resources }: Template): string[] {
  return Object.entries(Resources).flatMap(([name, { Type, Properties = {} }]) => {
    const known = resourceNamed(Type)
    return known ? checkObject(name, known.properties, Properties) : [`${name}: unknown type ${Type}`]
  })
}

function checkObject(path: string, known: Properties, given: object): string[] {
  const missing = Object.keys(known).filter((name) => known[name]?.required && !(name in given))
  return [
    ...missing.map((name) => `${path}.${name}: missing`),
    ...Object.entries(given).flatMap(([name, value]) => {
      const property = known[name]
      if (!property) return [`${path}.${name}: unknown`]
      const types = [property.type, ...(property.previousTypes ?? [])]
      return fewest(types.map((type) => checkValue(`${path}.${name}`, type, value)))
    }),
  ]
}

function checkValue(path: string, type: Type, value: unknown): string[] {
  if (isIntrinsic(value)) return []
  if (type.type === 'array') {
    if (!Array.isArray(value)) return [`${path}: not a list`]
    return value.flatMap((it, index) => checkValue(`${path}[${index}]`, type.element, it))
  }
  if (type.type === 'map') {
    if (!isObject(value)) return [`${path}: not a map`]
    return Object.entries(value).flatMap(([key, it]) => checkValue(`${path}.${key}`, type.element, it))
  }
  if (type.type === 'ref') {
    if (!isObject(value)) return [`${path}: not an object`]
    return checkObject(path, specification.get('typeDefinition', type.reference.$ref).properties, value)
  }
  if (type.type === 'union') return fewest(type.types.map((it) => checkValue(path, it, value)))
  return checkScalar(path, type, value)
}

const KINDS: Record<string, string> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
}

function checkScalar(path: string, type: Type, value: unknown): string[] {
  const kind = KINDS[type.type]
  const text = JSON.stringify(value)
  if (kind !== undefined && typeof value !== kind) return [`${path}: ${text} is not a ${kind}`]
  const allowed = type.type === 'string' ? type.allowedValues : undefined
  return !allowed || allowed.includes(String(value)) ? [] : [`${path}: ${text} is not allowed`]
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isIntrinsic = (value: unknown): boolean => {
  const [key = '', ...others] = isObject(value) ? Object.keys(value) : []
  return others.length === 0 && (key === 'Ref' || key.startsWith('Fn::'))
}

/** Returns the errors of the alternative that has the fewest errors. */
const fewest = (alternatives: string[][]): string[] =>
  alternatives.toSorted((a, b) => a.length - b.length)[0] ?? []
