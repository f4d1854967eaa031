import { docker } from './docker.ts'

const NEEDED = {
  'a running Docker engine': ['version', '--format', '{{.Server.Version}}'],
  'docker compose, 2.24 or newer': ['compose', 'version', '--short'],
}

/** Runs before `npm run test:containers`. Reports a missing prerequisite in one line, without a stack trace. */
for (const [what, args] of Object.entries(NEEDED)) {
  await docker(args).catch((error: Error) => {
    process.stderr.write(`npm run test:containers needs ${what}. ${error.message}\n`)
    process.exit(1)
  })
}
