import * as z from 'zod'
import { runners } from '../../shared/runners/index.ts'
import { generatedFrom, table } from './markdown.ts'

type Shape = { properties?: Record<string, { description?: string; default?: unknown; type?: string }> }

/** Returns the page docs/reference/task-types.md. */
export function taskTypesPage(): string {
  const sections = Object.entries(runners).map(([type, { about, params }]) => {
    const { properties = {} } = z.toJSONSchema(params, { io: 'input', unrepresentable: 'any' }) as Shape
    const rows = Object.entries(properties).map(
      ([name, { description = '', default: value, type: kind = 'any' }]) => [
        `\`${name}\``,
        kind,
        value === undefined ? '' : `\`${JSON.stringify(value)}\``,
        description,
      ],
    )
    return `## \`${type}\`\n\n${about}.\n\n${rows.length === 0 ? 'It has no params.' : table(['param', 'type', 'default', 'meaning'], rows)}\n`
  })
  return `${generatedFrom('shared/runners/')}

# Task types

Each type is a file in \`shared/runners/\` that its \`index.ts\` lists. Its schema validates a task's \`params\` when the
task is created or changed.

${sections.join('\n')}`
}
