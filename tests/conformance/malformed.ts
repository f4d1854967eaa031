import type { Call } from './client.ts'

/** An invalid request and the status that the response must have. */
export type Malformed = Call & { title: string; status: number; keyless?: true }

const json = { 'content-type': 'application/json' }

const valid = '"name":"malformed","type":"sleep","schedule_type":"interval","interval_seconds":3600'

/** Returns a POST /tasks request whose body is exactly `text`. */
const post = (title: string, text: string | Buffer, status = 422): Malformed => ({
  title: `POST ${title}`,
  status,
  method: 'POST',
  path: '/tasks',
  headers: json,
  body: text,
})

/** Returns a POST /tasks request with a valid task and an extra field. The last value of a duplicate field wins. */
const field = (text: string): Malformed => post(text.slice(0, 60), `{${valid},${text}}`)

const get = (path: string, status = 422): Malformed => ({ title: `GET ${path.slice(0, 60)}`, path, status })

const notAllowed = (method: string, path: string): Malformed => ({
  title: `${method} ${path}`,
  method,
  path,
  status: 405,
})

const typed = (contentType: string): Malformed => ({
  ...post(`as ${contentType}`, `{${valid}}`, 415),
  headers: { 'content-type': contentType },
})

const keyless = (method: string, path: string, headers: Record<string, string> = {}): Malformed => ({
  title: `${method} ${path} with key ${headers['x-api-key'] ?? 'missing'}`,
  method,
  path,
  status: 401,
  keyless: true,
  headers: { ...json, ...headers },
})

const brokenJson = [
  ...[
    '',
    ' ',
    '{',
    '[',
    '{"name":',
    '{"a":1,}',
    "{'name':'x'}",
    'undefined',
    'NaN',
    `{${valid}`,
    `{${valid}}}`,
  ],
  ...['null', 'true', 'false', '1', '0', '"x"', '""', '[]', '{}', '[{}]', '\ufeff'],
].map((text) => post(`body ${JSON.stringify(text)}`, text))

const wrongFields = [
  ...[
    '"name":1',
    '"name":null',
    '"name":""',
    '"name":" x"',
    '"name":[]',
    '"name":"a\\u0000b"',
    '"name":"\\ud800"',
  ],
  ...['"name":"a\\nb"', `"name":"${'x'.repeat(201)}"`],
  ...['"type":"nope"', '"type":null', '"type":"constructor"', '"type":"__proto__"', '"type":"toString"'],
  ...['"schedule_type":"never"', '"schedule_type":1', '"schedule_type":"once"', '"schedule_type":"cron"'],
  ...['0', '-1', '1.5', '"5"', '1e10', '1e400', 'true', 'null', '[5]'].map(
    (it) => `"interval_seconds":${it}`,
  ),
  ...[
    '""',
    '"x"',
    '"* * * *"',
    '"61 * * * *"',
    '"@nope"',
    '"0 0 30 2 *"',
    '5',
    `"${'0,'.repeat(5000)}0 * * * *"`,
  ].map((it) => `"schedule_type":"cron","interval_seconds":null,"cron_expression":${it}`),
  ...['"timezone":"Mars/Base"', '"timezone":5', '"timezone":"../../etc/passwd"'],
  ...['"tomorrow"', '12345', '"2026-13-01"', '"2026-02-30T00:00:00Z"', '{}', '"9999999-01-01"'].map(
    (it) => `"next_run_at":${it}`,
  ),
  ...['[]', '"x"', '1', '{"duration":"x"}', '{"duration":-1}', '{"duration":1e400}', '{"duration":null}'].map(
    (it) => `"params":${it}`,
  ),
  ...['{"nope":1}', '{"duration":1,"a\\u0000":1}', '{"__proto__":{"duration":1}}'].map(
    (it) => `"params":${it}`,
  ),
  `"params":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
  ...['{"url":"ftp://x"}', '{"url":"nope"}', '{"method":"BREW"}', '{"headers":{"a b":"c"}}', '{"url":5}'].map(
    (it) => `"type":"http","params":${it}`,
  ),
  ...['{"headers":{"a":"\\r\\nb: c"}}', '{"expected_status":42}', '{"body":"\\udfff"}'].map(
    (it) => `"type":"http","params":${it}`,
  ),
  ...['{"count":"x"}', '{"count":1.5}', '{"count":1e400}'].map((it) => `"type":"counter","params":${it}`),
  ...['0', '-1', '"x"', '1e9', '1e400'].map((it) => `"timeout_seconds":${it}`),
  ...['"overlap_policy":"x"', '"misfire_policy":1', '"misfire_grace_seconds":-1', '"max_attempts":0'],
  ...['"max_attempts":1.5', '"retry_backoff_seconds":-1', '"crash_limit":-1', '"id":5', '"nope":null'],
  ...['"__proto__":{"x":1}', '"constructor":{"prototype":{"x":1}}'],
].map(field)

const wrongIds = [
  ...[
    'abc',
    '0',
    '-1',
    '1.5',
    '1e400',
    'NaN',
    '%00',
    '99999999999999999999',
    '%20',
    '1;drop',
    '__proto__',
  ].map((id) => get(`/tasks/${id}`)),
  get('/tasks/%E0%A4%A', 400),
  get('/tasks/999999', 404),
  get('/tasks/999999/executions', 404),
  get('/tasks/x/executions'),
  get('/docs/../../package.json', 404),
  get('/docs/nope.js', 404),
]

const wrongPaths = ['/nope', '/tasks/1/nope', '/TASKS', '/tasks/1/executions/2', `/${'a'.repeat(5000)}`].map(
  (path) => get(path, 404),
)

const wrongQueries = [
  ...[
    'limit=0',
    'limit=-1',
    'limit=x',
    'limit=1001',
    'limit=1e400',
    'limit=1&limit=2',
    'nope=1',
    'cursor=x',
  ].map((query) => get(`/tasks?${query}`)),
  ...[
    'cursor=%00',
    'cursor=bnVsbA',
    'cursor=e30',
    'cursor=MWU0MDA',
    'type=x',
    'paused=maybe',
    '__proto__=1',
  ].map((query) => get(`/tasks?${query}`)),
  ...[
    'status=nope',
    'task_id=x',
    'task_id=0',
    'scheduled_from=x',
    'scheduled_to=2026-02-30',
    'cursor=WyJ4IiwxXQ',
  ].map((query) => get(`/executions?${query}`)),
  ...[
    'bucket=week',
    'from=x',
    'task_id=0',
    'task_id=1&tag=a',
    'bucket=hour&tag=a',
    'from=2026-01-01&to=2025-01-01',
  ].map((query) => get(`/stats?${query}`)),
  ...['cursor=MQ', 'cursor=WyJ4IiwxXQ', 'limit='].map((query) => get(`/upcoming?${query}`)),
]

const wrongMethods = [
  ...['PUT', 'PATCH', 'OPTIONS'].map((method) => notAllowed(method, '/tasks')),
  ...['POST', 'PUT'].map((method) => notAllowed(method, '/tasks/1')),
  ...['/healthz', '/upcoming', '/executions', '/tasks/1/executions', '/docs', '/openapi.json'].map((path) =>
    notAllowed('POST', path),
  ),
]

const wrongTypes = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/xml',
  'multipart/form-data; boundary=x',
].map(typed)

const wrongKeys = [
  ...['/tasks', '/tasks/1', '/tasks/1/executions', '/executions', '/upcoming'].map((path) =>
    keyless('GET', path),
  ),
  ...['POST /tasks', 'PATCH /tasks/1', 'DELETE /tasks/1'].map((it) =>
    keyless(...(it.split(' ') as [string, string])),
  ),
  ...['nope', '', 'é', 'x'.repeat(5000)].map((key) => keyless('GET', '/tasks', { 'x-api-key': key })),
]

const tooLarge = [
  post('300 KB', Buffer.alloc(300_000, ' '), 413),
  post('a 300 KB task', `{${valid},"params":{"a":"${'x'.repeat(300_000)}"}}`, 413),
  post('11 MB', Buffer.alloc(11 * 1024 * 1024, ' '), 413),
]

export const malformed: Malformed[] = [
  ...[...brokenJson, ...wrongFields, ...wrongIds, ...wrongPaths, ...wrongQueries],
  ...[...wrongMethods, ...wrongTypes, ...wrongKeys, ...tooLarge],
]
