import type { MiddlewareObj } from '@middy/core'
import httpJsonBodyParser from '@middy/http-json-body-parser'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { invalid } from '../errors.ts'
import { toPointer } from '../parse.ts'

/**
 * Parses a body as JSON. middy's parser rejects the keys that could change the prototype of an object, but doesn't say
 * where they are. Throws `invalid`, with a pointer to each of them.
 */
export function parseJson(): MiddlewareObj<APIGatewayProxyEventV2> {
  const { before: parse } = httpJsonBodyParser()
  return {
    before(request) {
      const { body = '', isBase64Encoded } = request.event
      try {
        // The cast is safe: the parser reads the same event, whose type it declares with a body that has been parsed.
        parse?.(request as Parameters<typeof parse>[0])
      } catch (error) {
        const text = isBase64Encoded ? Buffer.from(body, 'base64').toString() : body
        const forbidden = findForbidden(text)
        if (forbidden.length === 0) throw error
        throw invalid(forbidden.map((path) => ({ pointer: toPointer(path), detail: 'is not allowed' })))
      }
    },
  }
}

function findForbidden(text: string): string[][] {
  try {
    return [...forbiddenIn(JSON.parse(text))]
  } catch {
    return []
  }
}

/** Yields the path of each key that middy's parser rejects. */
function* forbiddenIn(value: unknown, path: string[] = []): Generator<string[]> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    const at = [...path, key]
    if (key === '__proto__' || (key === 'constructor' && hasPrototype(inner))) yield at
    else yield* forbiddenIn(inner, at)
  }
}

const hasPrototype = (value: unknown): boolean => Boolean(value) && Object.hasOwn(Object(value), 'prototype')
