// A service that fails at first: for each occurrence, two calls fail with 503 and the third succeeds.
import { createServer } from 'node:http'

const calls = new Map()

createServer((request, response) => {
  const key = request.headers['idempotency-key'] ?? 'none'
  const count = (calls.get(key) ?? 0) + 1
  calls.set(key, count)
  response.writeHead(count < 3 ? 503 : 200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ call: count }))
}).listen(9000)
