import autocannon from 'autocannon'
import type { Load, LoadResult } from '../worker/protocol.ts'

/** Sends requests as fast as responses arrive. In a body, `[<id>]` is replaced with an id unique to the request. */
export async function sendLoad({ url, method, body, connections, seconds }: Load): Promise<LoadResult> {
  const result = await autocannon({
    url,
    method,
    connections,
    duration: seconds,
    ...(body !== undefined && { body, idReplacement: true, headers: { 'content-type': 'application/json' } }),
  })
  return {
    perSecond: result.requests.average,
    p99Ms: result.latency.p99,
    failed: result.non2xx + result.errors + result.timeouts,
  }
}
