import { call, type HttpCall } from './http-event.ts'

/** Returns the cursor that `nextLink` makes from a row's keys. */
export const cursorOf = (keys: unknown): string => Buffer.from(JSON.stringify(keys)).toString('base64url')

/** Follows the `Link` headers, starting with the first request. Returns the body of each page. */
export async function walk(handler: Parameters<typeof call>[0], first: HttpCall): Promise<unknown[]> {
  const pages: unknown[] = []
  let request: HttpCall | undefined = first
  while (request) {
    const { body, headers } = await call(handler, request)
    pages.push(body)
    const [, query] = /^<[^?]+\?([^>]+)>; rel="next"$/.exec(String(headers.link)) ?? []
    request = query === undefined ? undefined : { ...request, query }
  }
  return pages
}
