import { startProcess } from '../conformance/runtime.ts'
import { fuzzOther } from './fuzz-other.ts'
import type { FuzzRequest } from './generate/requests.ts'

const COMMAND = ['node_modules/serverless/bin/serverless.js', 'offline', 'start', '--lambdaPort', '0']
const LIFETIME_MS = 3_600_000

/** serverless-offline resolves `..`, ignores a slash at the end, and treats falsy JSON values as a missing body. */
function readsAs({ target, body, ...rest }: FuzzRequest): FuzzRequest {
  const [path = '', query = ''] = target.split('?')
  const pathname = URL.parse(path.replace(/^\/+/, '/'), 'http://localhost')?.pathname ?? path
  const isFalse = ['null', 'false', '0', '""'].includes(String(body).trim())
  return { ...rest, target: `${pathname.replace(/(.)\/$/, '$1')}?${query}`, body: isFalse ? undefined : body }
}

fuzzOther(
  'serverless offline',
  (env) => startProcess(COMMAND, { ...env, SLS_LOG_LEVEL: 'warning' }, LIFETIME_MS),
  {
    // Each concurrent request needs its own worker thread per function, and a thread takes a while to start.
    lanes: 4,
    readsAs,
    // hapi's response to what Node's parser can't read isn't a problem document, and no extension can change it.
    isRefused: ({ target }) => target.includes('\u00ff'),
  },
)
