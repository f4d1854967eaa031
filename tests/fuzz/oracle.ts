import type { Answer } from './client.ts'
import { operationOf, wrongProblem, wrongRequest, wrongResponse } from './document.ts'
import type { FuzzRequest } from './generate/requests.ts'

/** Returns what is wrong with a response, or undefined. `secrets`: what no response may contain. */
export function faultOf(
  request: FuzzRequest,
  answer: Answer,
  secrets: readonly string[],
): string | undefined {
  const { status, headers, text } = answer
  if (status >= 500) return `the status is ${status}`
  const everything = `${JSON.stringify(headers)}${text}`
  if (secrets.some((secret) => everything.includes(secret))) return 'the response contains a secret'
  return status < 400 ? wrongSuccess(request, answer) : wrongError(request, answer)
}

function wrongSuccess({ method, target, body }: FuzzRequest, answer: Answer): string | undefined {
  const operation = operationOf(method, target)
  if (operation === undefined) return `${answer.status} for a route that is not in the document`
  const listed = operation.responses[answer.status]
  if (listed === undefined) return `${operation.operationId} has no response ${answer.status} in the document`
  if (!answer.headers['x-request-id']) return 'there is no x-request-id'
  if (method !== 'HEAD' && listed.content) {
    if (typeOf(answer) !== 'application/json') return 'the response is not JSON'
    const wrong = wrongResponse(operation, answer.status, answer.json)
    if (wrong) return `the response doesn't match its schema: ${wrong}`
  }
  const given = readJson(body)
  const refused = given === undefined ? undefined : wrongRequest(operation, given)
  return refused && `the body was accepted, although the document doesn't allow it: ${refused}`
}

const typeOf = ({ headers }: Answer): string | undefined => headers['content-type']?.split(';')[0]

function readJson(body: FuzzRequest['body']): unknown {
  try {
    return body === undefined ? undefined : JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

function wrongError({ method }: FuzzRequest, answer: Answer): string | undefined {
  const { status, headers, json } = answer
  if (typeOf(answer) !== 'application/problem+json') return 'the error is not a problem'
  const allow = headers.allow?.split(', ') ?? []
  if (status === 405 && (allow.length === 0 || allow.includes(method))) return `Allow is ${headers.allow}`
  if (status === 401 && !headers['www-authenticate']) return 'a 401 without www-authenticate'
  if (method === 'HEAD') return headers['x-request-id'] ? undefined : 'there is no x-request-id'
  const wrong = wrongProblem(json)
  if (wrong) return `the error doesn't match the schema of a problem: ${wrong}`
  // The cast is safe, since the schema has been checked.
  const problem = json as { status: number; request_id: string }
  if (problem.status !== status) return `the problem has status ${problem.status}`
  return problem.request_id === headers['x-request-id'] ? undefined : 'the request ids differ'
}
