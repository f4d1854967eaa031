import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { registerHooks } from 'node:module'
import { text } from 'node:stream/consumers'

/**
 * Replaces the native part of aws-lambda-ric, which takes two minutes and a C++ compiler to build. The native part only
 * makes HTTP calls to the Runtime API; everything else is still AWS's own code. Loaded with --import.
 */
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === './rapid-client.node'
      ? { url: import.meta.url, format: 'module', shortCircuit: true }
      : next(specifier, context),
})

const RUNTIME = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`

const agent = new Agent({ keepAlive: true, maxSockets: 1 })

/** Settles once the last response has been delivered. The next invocation must not be requested before then. */
let answered: Promise<unknown> = Promise.resolve()

export async function next(): Promise<{ bodyJson: string; headers: IncomingHttpHeaders }> {
  await answered
  const { headers, body } = await call('GET', 'next')
  return { headers, bodyJson: body }
}

export function done(id: string, response: string): void {
  answered = call('POST', `${id}/response`, response)
}

export function error(id: string, response: string): void {
  answered = call('POST', `${id}/error`, response)
}

function call(
  method: string,
  path: string,
  body?: string,
): Promise<{ headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    request(`${RUNTIME}/${path}`, { method, agent }, (response) => {
      text(response).then((received) => resolve({ headers: response.headers, body: received }), reject)
    })
      .on('error', reject)
      .end(body)
  })
}
