import createClient from 'openapi-fetch'
import { fetchConditionally } from './conditional.ts'
import type { components, paths } from './schema.d.ts'

export type Problem = components['schemas']['Problem']

/** Every address is relative to the page's, since the server may be behind a path. */
const baseUrl = new URL('.', document.baseURI).href.replace(/\/$/, '')

export const client = createClient<paths>({ baseUrl, fetch: fetchConditionally })

/** Where another resource of this server is, such as `docs`. */
export const urlOf = (path: string): string => `${baseUrl}/${path}`

/** A response that isn't a success, or none at all: then `status` is 0. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly problem: Partial<Problem>

  constructor(status: number, problem: Partial<Problem>, cause?: unknown) {
    super(
      problem.detail ?? (status === 0 ? 'The server does not respond.' : `The server answered ${status}.`),
      { cause },
    )
    this.status = status
    this.problem = problem
  }
}

type Result<T> = { data?: T; error?: unknown; response: Response }

/** Returns the body of a successful response. Throws an ApiError for any other. */
export async function bodyOf<T>(asked: Promise<Result<T>>): Promise<T> {
  return (await resultOf(asked)).data as T
}

/** Returns the rows of a page, and the cursor of the next page, or null if there is none. */
export async function pageOf<T>(asked: Promise<Result<T[]>>): Promise<{ rows: T[]; next: string | null }> {
  const { data, response } = await resultOf(asked)
  const link = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
  const next = link ? new URLSearchParams(link.slice(link.indexOf('?'))).get('cursor') : null
  return { rows: data ?? [], next }
}

async function resultOf<T>(asked: Promise<Result<T>>): Promise<Result<T>> {
  const result = await asked.catch((cause: unknown) => {
    throw new ApiError(0, {}, cause)
  })
  if (result.response.ok) return result
  const { error } = result
  throw new ApiError(result.response.status, typeof error === 'object' && error !== null ? error : {})
}
