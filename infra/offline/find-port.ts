import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Returns `port`, or a free port if `port` is 0. If this process can't listen on the port, throws an Error that names
 * the host and port.
 */
export async function findPort(host: string, port: number): Promise<number> {
  const probe = createServer().listen(port, host)
  await once(probe, 'listening').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'EADDRINUSE' ? 'the port is taken' : cause.message
    throw new Error(`can't listen on ${host}:${port}: ${reason}`, { cause })
  })
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : port
}
