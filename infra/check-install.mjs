// Reports missing dependencies in one line. Plain JavaScript, so that any version of Node can run it, even one that is
// too old for this project.
import { existsSync } from 'node:fs'

if (!existsSync(new URL('../node_modules/.bin/node', import.meta.url))) {
  process.stderr.write('The dependencies are missing: run `npm ci` first.\n')
  process.exit(1)
}
