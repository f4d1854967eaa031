// Says in one line what is missing. Plain JavaScript: any Node runs it, also one that is too old for the rest.
import { existsSync } from 'node:fs'

if (!existsSync(new URL('../node_modules/.bin/node', import.meta.url))) {
  process.stderr.write('The dependencies are missing: run `npm ci` first.\n')
  process.exit(1)
}
