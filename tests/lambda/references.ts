import type { Template } from './template.ts'

/** Returns the names that a part of a template references through Ref, Fn::GetAtt, Fn::Sub and DependsOn. */
function namesIn(part: unknown): string[] {
  if (typeof part !== 'object' || part === null) return []
  return Object.entries(part).flatMap(([key, value]) => {
    if (key === 'Ref') return [String(value)]
    if (key === 'Fn::GetAtt') return [String(Array.isArray(value) ? value[0] : value).split('.')[0] ?? '']
    if (key === 'Fn::Sub')
      return Array.from(JSON.stringify(value).matchAll(/\$\{([\w:]+)/g), ([, name = '']) => name)
    if (key === 'DependsOn') return [value].flat().map(String)
    return namesIn(value)
  })
}

/** Returns the names that are referenced but not defined. */
export function dangling({ Resources, Parameters, Outputs }: Template): string[] {
  const known = new Set([...Object.keys(Resources), ...Object.keys(Parameters)])
  return namesIn({ Resources, Outputs }).filter((name) => !known.has(name) && !name.startsWith('AWS::'))
}

/** Returns the resources that CloudFormation can't create because of a circular dependency. */
export function circle({ Resources }: Template): string[] {
  const left = new Map(
    Object.entries(Resources).map(([name, resource]) => [
      name,
      namesIn(resource).filter((it) => it in Resources),
    ]),
  )
  for (;;) {
    const free = [...left].filter(([, needs]) => !needs.some((it) => left.has(it))).map(([name]) => name)
    if (free.length === 0) return [...left.keys()]
    for (const name of free) left.delete(name)
  }
}
