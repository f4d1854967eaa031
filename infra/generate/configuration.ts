import { environment, SETTINGS } from '../../shared/config.ts'
import { generatedFrom, table } from './markdown.ts'

type Setting = { name: string; default: string; about: string }

/** Returns every setting with its default as it would be written into .env; empty if it has none. */
function settings(): Setting[] {
  const defaults: Record<string, unknown> = environment.parse({})
  return Object.entries(SETTINGS).map(([name, { about }]) => ({
    name,
    default: String(defaults[name] ?? ''),
    about,
  }))
}

/** Returns .env.example. */
export function envExample(): string {
  const entries = settings().map(({ name, default: value, about }) => `${wrap(about)}\n# ${name}=${value}\n`)
  return `# Generated from shared/config.ts by \`npm run generate\`. Copy this file to .env, and remove the # from the lines that you change.
# A variable of the environment wins over .env. An empty value counts as unset.

${entries.join('\n')}`
}

/** Returns the page docs/reference/configuration.md. */
export function configurationPage(): string {
  const rows = settings().map(({ name, default: value, about }) => [
    `\`${name}\``,
    value === '' ? 'unset' : `\`${value}\``,
    about,
  ])
  return `${generatedFrom('shared/config.ts')}

# Configuration

Settings come from the environment, or from a file \`.env\` beside \`package.json\`; the environment wins. An empty value counts as
unset. A bad value ends the process at its start, with a message that names the setting and the value. A name that looks like a
misspelt setting is logged as a warning.

${table(['setting', 'default', 'meaning'], rows)}
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
