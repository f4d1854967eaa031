const TIMEOUT_MS = 30_000

/** The server responded with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
}

/** The server didn't respond. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

export type Api = {
  /** Returns the response's JSON body. Rejects with an ApiError or with Unreachable. */
  call<T>(method: string, path: string, body?: object): Promise<T>
  /** Fetches a list page by page. Returns its rows, at most `most` of them. */
  list<T>(path: string, most?: number): Promise<T[]>
}

/** Returns a client for the API at a base URL. Every request includes the API key, if one is given. */
export function connectTo(baseUrl: string, apiKey: string | undefined): Api {
  const base = baseUrl.replace(/\/+$/, '')
  const send = async (method: string, path: string, body?: object): Promise<Response> => {
    const response = await fetch(base + path, {
      method,
      headers: {
        accept: 'application/json',
        ...(apiKey && { 'x-api-key': apiKey }),
        ...(body && { 'content-type': 'application/json' }),
      },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: unknown) => {
      throw new Unreachable(`can't reach ${base}: ${reason(cause)}`, { cause })
    })
    if (!response.ok) throw new ApiError(await describe(response, apiKey))
    return response
  }
  return {
    async call<T>(method: string, path: string, body?: object) {
      return await readJson<T>(await send(method, path, body), base)
    },
    async list<T>(path: string, most = Number.POSITIVE_INFINITY) {
      const rows: T[] = []
      for (let next: string | undefined = path; next !== undefined && rows.length < most; ) {
        const response = await send('GET', next)
        rows.push(...(await readJson<T[]>(response, base)))
        const link = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
        // Behind a proxy, the link starts with the public URL, which may differ from `base`.
        next = link && path.replace(/\?.*/, '') + new URL(link, base).search
      }
      return rows.slice(0, most)
    },
  }
}

/** Returns the JSON body. The cast relies on the route's response schema. */
async function readJson<T>(response: Response, base: string): Promise<T> {
  try {
    return (await response.json()) as T
  } catch (cause) {
    throw new ApiError(`the response from ${base} isn't JSON: is API_URL correct?`, { cause })
  }
}

async function describe(response: Response, apiKey: string | undefined): Promise<string> {
  const text = await response.text()
  const detail = readDetail(text) ?? response.statusText
  const hint = response.status === 401 && !apiKey ? ' (set API_KEY)' : ''
  return `${response.status}: ${detail}${hint}`
}

function readDetail(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text)
    return typeof detail === 'string' ? detail : undefined
  } catch {
    return undefined
  }
}

/** Returns the underlying reason. fetch's own message is only "fetch failed"; the reason is one or two causes deep. */
function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  if (error.cause !== undefined) return reason(error.cause)
  return error.name === 'TimeoutError' ? `no response within ${TIMEOUT_MS / 1000} s` : error.message
}
