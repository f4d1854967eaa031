import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Returns the lines of a request's head, with the line breaks that HTTP requires. */
export const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`

export type Client = {
  socket: Socket
  /** Everything received so far. */
  text(): string
  /** Resolves with everything received once the connection is closed. */
  closed: Promise<string>
}

/** Opens a connection and sends raw text. Errors are ignored, since the server may refuse or cut it. */
export async function open(url: string, text = '', localAddress = '127.0.0.1'): Promise<Client> {
  const { port } = new URL(url)
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress })
  let received = ''
  socket.setEncoding('latin1').on('data', (data) => {
    received += data
  })
  socket.on('error', () => {})
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(received)))
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
  socket.write(text)
  return { socket, text: () => received, closed }
}
