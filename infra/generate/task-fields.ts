import { FIELDS } from '../../shared/tasks/fields.ts'
import { typeOf } from './field-type.ts'
import { generatedFrom, table } from './markdown.ts'

/** Returns the page docs/reference/task-fields.md. */
export function taskFieldsPage(): string {
  const rows = Object.entries(FIELDS).map(
    ([name, { schema, default: value, description, nullClears, example }]) => [
      `\`${name}\``,
      typeOf(schema),
      `\`${JSON.stringify(value)}\``,
      `${description}${nullClears ? ' Null in a PATCH clears it.' : ''}`,
      `\`${JSON.stringify(example)}\``,
    ],
  )
  return `${generatedFrom('shared/tasks/fields.ts')}

# Task fields

Each task also has a \`name\` (unique, up to 200 characters), a \`type\` and a \`schedule_type\` (\`interval\`, \`once\` or
\`cron\`). An omitted field gets its default. In a PATCH, null leaves a field unchanged unless the table says that it
clears the field.

${table(['field', 'type', 'default', 'meaning', 'example'], rows)}

Responses also include \`id\`, \`next_run_at\`, \`next_runs\`, \`running\`, \`runs\`, \`consecutive_failures\`,
\`paused_at\`, \`paused_until\`, \`pause_reason\`, \`version\`, \`created_at\` and \`updated_at\`. See
[openapi.json](../../openapi.json) or \`GET /docs\`.
`
}
