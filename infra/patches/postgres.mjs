import { readFileSync, writeFileSync } from 'node:fs'

/**
 * postgres.js 3.4.9 buffers a small write until the next turn of the event loop. When its connection closes before that, as each
 * one does when PostgreSQL restarts, the write meets no socket and ends the process, past every catch; or what was buffered
 * stays, and is sent in front of the greeting of the next connection, which then hangs until its timeout. Open upstream:
 * https://github.com/porsager/postgres/issues/1154, pull request 1209. Plain JavaScript: npm runs it with any Node.
 */
const files = ['src', 'cjs/src', 'cf/src'].map(
  (folder) => new URL(`../../node_modules/postgres/${folder}/connection.js`, import.meta.url),
)

const patches = [
  [
    `  function nextWrite(fn) {
    const x =`,
    `  function nextWrite(fn) {
    if (socket === null) {
      clearImmediate(nextWriteTimer)
      chunk = nextWriteTimer = null
      error(Errors.connection('CONNECTION_CLOSED', options))
      return true
    }
    const x =`,
  ],
  [
    `    clearImmediate(nextWriteTimer)
    socket.`,
    `    clearImmediate(nextWriteTimer)
    chunk = nextWriteTimer = null
    socket.`,
  ],
]

for (const file of files) {
  let source = readFileSync(file, 'utf8')
  for (const [from, to] of patches) {
    if (source.includes(to)) continue
    if (!source.includes(from)) throw new Error(`${file.pathname} has changed: is this patch still needed?`)
    source = source.replace(from, to)
  }
  writeFileSync(file, source)
}
