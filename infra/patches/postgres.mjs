import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Patches postgres.js 3.4.9 to make it reliable. See docs/adr/0012 and 0016 for the reasons. Plain JavaScript, since
 * npm runs it with any version of Node.
 *
 * Writes without a socket. postgres.js buffers a small write until the next turn of the event loop. If its connection
 * closes before that, as every connection does when PostgreSQL restarts, the write finds no socket and ends the process
 * with an error that no `catch` sees. Or the buffered bytes remain, and are sent before the startup message of the next
 * connection, which then hangs until its timeout. Open upstream: https://github.com/porsager/postgres/issues/1154, pull
 * request 1209.
 *
 * `silence_timeout`, in seconds. If a peer vanishes without closing the connection, the connection waits for a response
 * for as long as the kernel resends: 15 minutes. With this option, a connection that is silent for this long while a
 * response is pending is destroyed, and a query that finds no free connection within this time is rejected.
 *
 * Rows before an error. If a statement fails after some of its rows have arrived, for example because of a timeout,
 * postgres.js keeps counting: the next result on that connection begins with a hole for each of these rows, so a row that exists seems to be missing. Open upstream: https://github.com/porsager/postgres/issues/1119 and 1181.
 *
 * The end of a pool. If a connection closes while a statement is in flight, postgres.js rejects that statement but goes
 * on waiting for it, so `end()` hangs until its timeout.
 *
 * Statements of a transaction whose connection has closed. Without this patch, they would be sent on the next
 * connection, outside of any transaction.
 *
 * `latest_first`. postgres.js takes the connection that has been idle longest, so a pool that once needed nine
 * connections uses all nine in turn, forever, and each server process has to load its caches and plans. With this
 * option, it takes the connection that was used last.
 */
const silence = {
  'connection.js': [
    [
      `  let socket = null
    , cancelMessage`,
      `  let silenceTimer = null
    , heardAt = 0
    , unsent = 0

  let socket = null
    , cancelMessage`,
    ],
    [
      `  function execute(q) {
    if (terminated)`,
      `  function awaitAnswer() {
    if (!options.silence_timeout) return
    if (query === null) heardAt = performance.now()
    if (silenceTimer === null) listenFor(options.silence_timeout * 1000)
  }

  function listenFor(ms) {
    silenceTimer = setTimeout(unheard, ms, performance.now() + ms)
    silenceTimer.unref && silenceTimer.unref()
  }

  function unheard(expectedAt) {
    silenceTimer = null
    if (socket === null || query === null) return
    const now = performance.now()
    // Either this process was frozen and has not read what arrived since, or the server still accepts data.
    if (now - expectedAt > 250 || socket.writableLength < unsent) heardAt = now
    unsent = socket.writableLength
    const left = heardAt + options.silence_timeout * 1000 - now
    if (left > 0) return listenFor(left)
    const before = heardAt
    // Node runs timers before it reads sockets, so wait until it has read what has already arrived.
    setImmediate(() => setImmediate(() => {
      if (socket === null || query === null) return
      if (heardAt !== before) return silenceTimer === null && listenFor(options.silence_timeout * 1000)
      socket.destroy(Errors.generic('ETIMEDOUT', 'the database was silent for ' + options.silence_timeout + ' s'))
    }))
  }

  function execute(q) {
    if (terminated)`,
    ],
    [
      `      q.state = backend
      query
`,
      `      q.state = backend
      awaitAnswer()
      query
`,
    ],
    [
      `  function data(x) {
`,
      `  function data(x) {
    heardAt = performance.now()
`,
    ],
    [
      `    incoming = Buffer.alloc(0)
    remaining = 0
`,
      `    clearTimeout(silenceTimer)
    silenceTimer = null
    unsent = 0
    incoming = Buffer.alloc(0)
    remaining = 0
`,
    ],
  ],
  'index.js': [
    [
      `    socket          : o.socket,
`,
      `    socket          : o.socket,
    silence_timeout : o.silence_timeout,
`,
    ],
    [
      `      : queries.push(query)
  }

  function go(`,
      `      : (queries.push(query), options.silence_timeout && limitWait(query))
  }

  function limitWait(query) {
    const ms = options.silence_timeout * 1000
        , timer = setTimeout(expire, ms, performance.now() + ms)
    timer.unref && timer.unref()

    function expire(expectedAt) {
      if (performance.now() - expectedAt > 250) return limitWait(query)
      if (queries.remove(query) === null) return
      query.reject(Errors.generic('ETIMEDOUT', 'no connection was free for ' + options.silence_timeout + ' s'))
    }
  }

  function go(`,
    ],
    [
      `      , prepare = null

    try {`,
      `      , prepare = null
      , lost = null

    try {`,
    ],
    [
      `new Promise((_, reject) => connection.onclose = reject)`,
      `new Promise((_, reject) => connection.onclose = e => reject(lost = e))`,
    ],
    [
      `        q.catch(e => uncaughtError || (uncaughtError = e))
`,
      `        q.catch(e => uncaughtError || (uncaughtError = e))
        if (lost) return q.reject(lost)
`,
    ],
  ],
}

const unbuffered = {
  'connection.js': [
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
  ],
}

const reset = {
  'connection.js': [
    [
      `    closedTime = performance.now()
`,
      `    query = results = errorResponse = null
    ended && (ended(), ending = ended = null)
    closedTime = performance.now()
`,
    ],
    [
      `    query = results = errorResponse = null
    result = new Result()
`,
      `    query = results = errorResponse = null
    result = new Result()
    rows = 0
`,
    ],
  ],
}

const latestFirst = {
  'index.js': [
    [
      `    silence_timeout : o.silence_timeout,
`,
      `    silence_timeout : o.silence_timeout,
    latest_first    : o.latest_first,
`,
    ],
    [
      `      , open = Queue()
`,
      `      , open = options.latest_first ? Stack() : Queue()
`,
    ],
    [
      `function Postgres(a, b) {
`,
      `function Stack() {
  const xs = []
  return {
    get length() {
      return xs.length
    },
    remove: (x) => {
      const index = xs.indexOf(x)
      return index === -1 ? null : (xs.splice(index, 1), x)
    },
    push: (x) => (xs.push(x), x),
    shift: () => xs.pop()
  }
}

function Postgres(a, b) {
`,
    ],
  ],
}

for (const folder of ['src', 'cjs/src', 'cf/src']) {
  for (const name of ['connection.js', 'index.js']) {
    const file = new URL(`../../node_modules/postgres/${folder}/${name}`, import.meta.url)
    let source = readFileSync(file, 'utf8')
    const isPatched = source.includes('silence_timeout')
    for (const [from, to] of [unbuffered, reset, silence, latestFirst].flatMap(
      (patch) => patch[name] ?? [],
    )) {
      if (source.includes(to)) continue
      if (isPatched) throw new Error(`${file.pathname} has an earlier patch: run npm ci`)
      if (!source.includes(from)) throw new Error(`${file.pathname} has changed: is this patch still needed?`)
      source = source.replace(from, () => to)
    }
    writeFileSync(file, source)
  }
}
