import { environment, SETTINGS } from '../../shared/config.ts'
import { generatedFrom, table } from './markdown.ts'

type Row = { name: string; default: string; readBy: string; about: string }

/** Returns every setting with its default as written in .env, or with an empty string if it has no default. */
function settings(): Row[] {
  const defaults: Record<string, unknown> = environment.parse({})
  return Object.entries(SETTINGS).map(([name, { readBy, about }]) => ({
    name,
    default: String(defaults[name] ?? ''),
    readBy,
    about,
  }))
}

/** Returns the contents of .env.example. */
export function envExample(): string {
  const entries = settings().map(({ name, default: value, about }) => `${wrap(about)}\n# ${name}=${value}\n`)
  return `# Generated from shared/config.ts by \`npm run generate\`. Copy this file to .env and uncomment the lines that you change.
# Environment variables take precedence over .env. An empty value counts as unset.

${entries.join('\n')}`
}

/** Returns the page docs/reference/configuration.md. */
export function configurationPage(): string {
  const rows = settings().map(({ name, default: value, readBy, about }) => [
    `\`${name}\``,
    value === '' ? 'unset' : `\`${value}\``,
    readBy,
    about,
  ])
  return `${generatedFrom('shared/config.ts')}

# Configuration

Settings come from environment variables, or from a file \`.env\` next to \`package.json\`. Environment variables take
precedence. An empty value counts as unset. If a value is invalid, the process exits at startup with an error that names
the setting. A variable that looks like a misspelled setting is logged as a warning.

Settings that _functions_ read work in every runtime. On AWS, \`--param NAME=value\` sets them
([more](../deploy-aws.md#settings)). Settings that the _process_ reads belong to the process around the functions, and
have no effect on AWS. [Limits](limits.md) has everything that is limited, with or without a setting.

${table(['setting', 'default', 'read by', 'meaning'], rows)}
`
}

const WIDTH = 116

function wrap(text: string): string {
  const lines: string[] = []
  for (const word of text.replaceAll('`', '').split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`# ${word}`)
  }
  return lines.join('\n')
}
