import { call, type HttpCall } from './http-event.ts'

/** What `nextLink` makes of the keys of a row. */
export const cursorOf = (keys: unknown): string => Buffer.from(JSON.stringify(keys)).toString('base64url')

/** Follows the `Link` headers from a first request on, and returns the body of each page. */
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
