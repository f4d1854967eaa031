type Kept = { etag: string; body: string; headers: Headers }

/** Bounds for responses kept to answer a 304: how many, and characters in all. */
const RESPONSES = 60
const CHARACTERS = 8_000_000

/** The server answers everything within 9.5 s. Without a deadline, one that hangs would never be noticed. */
const DEADLINE_MS = 11_000

const kept = new Map<string, Kept>()
let characters = 0

/** Milliseconds that the server's clock is ahead of this one. Differences of less than 2 s are within its precision. */
let ahead = 0

/** Returns the server's time. Ages would be wrong on a machine whose clock is wrong. */
export const serverNow = (): number => Date.now() + ahead

/**
 * Like `fetch`, but asks only for what has changed: a GET that was answered before sends its `ETag`, and a 304 becomes
 * the response that is already here.
 */
export async function fetchConditionally(request: Request): Promise<Response> {
  const before = request.method === 'GET' ? kept.get(request.url) : undefined
  if (before) request.headers.set('if-none-match', before.etag)
  const response = await fetch(request, request.method === 'GET' ? { signal: untilDeadline(request) } : {})
  readClock(response)
  if (before && response.status === 304) {
    touch(request.url, before)
    return new Response(before.body, { status: 200, headers: before.headers })
  }
  const etag = response.headers.get('etag')
  // A task's ETag is its version, which doesn't change when it runs. Only weak tags stand for the whole content.
  if (request.method !== 'GET' || !response.ok || !etag?.startsWith('W/')) return response
  const body = await response.text()
  keep(request.url, { etag, body, headers: response.headers })
  return new Response(body, { status: response.status, headers: response.headers })
}

const untilDeadline = ({ signal }: Request): AbortSignal =>
  AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)])

/** Forgets all responses, for example when another person logs in. */
export function forgetResponses(): void {
  kept.clear()
  characters = 0
}

function readClock(response: Response): void {
  const date = Date.parse(response.headers.get('date') ?? '')
  if (Number.isNaN(date)) return
  const difference = date - Date.now()
  ahead = Math.abs(difference) > 2000 ? difference : 0
}

function touch(url: string, response: Kept): void {
  kept.delete(url)
  kept.set(url, response)
}

function keep(url: string, response: Kept): void {
  characters += response.body.length - (kept.get(url)?.body.length ?? 0)
  touch(url, response)
  for (const [oldest, { body }] of kept) {
    if (kept.size <= RESPONSES && characters <= CHARACTERS) return
    kept.delete(oldest)
    characters -= body.length
  }
}
