// Says in one line that the dependencies are missing. Plain JavaScript, so that any Node runs it, even one that is too
// old.
import { existsSync } from 'node:fs'

if (!existsSync(new URL('../node_modules/.bin/node', import.meta.url))) {
  process.stderr.write('The dependencies are missing: run `npm ci` first.\n')
  process.exit(1)
}
