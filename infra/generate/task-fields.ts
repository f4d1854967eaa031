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
      `${description}.${nullClears ? ' A null in a PATCH clears it.' : ''}`,
      `\`${JSON.stringify(example)}\``,
    ],
  )
  return `${generatedFrom('shared/tasks/fields.ts')}

# Fields of a task

Each task also has a \`name\` (unique, up to 200 characters), a \`type\` and a \`schedule_type\` (\`interval\`, \`once\` or \`cron\`). A
field that isn't given has its default. In a PATCH, a null leaves a field as it is unless the table says that it clears it.

${table(['field', 'type', 'default', 'meaning', 'example'], rows)}

Answers add what the scheduler knows: \`id\`, \`next_run_at\`, \`next_runs\`, \`running\`, \`runs\`, \`consecutive_failures\`, \`paused_at\`,
\`paused_until\`, \`pause_reason\`, \`version\`, \`created_at\` and \`updated_at\`. See [openapi.json](../../openapi.json) or \`GET /docs\`.
`
}
