import fc from 'fast-check'

/** Returns values from `usual`, but about one in `times` from `odd`. */
export const mostly = <T>(times: number, usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: times - 1, arbitrary: usual }, { weight: 1, arbitrary: odd })

/** Text that has confused parsers, databases, logs and browsers. */
export const text = fc.oneof(
  fc.constantFrom(
    ...['', ' ', '\0', 'a\0b', '\ud83e', '\udfff\ud800', '\ufeff', '\u202e', '\u200b', 'e\u0301', '\u2028'],
    ...["'; drop table tasks; --", '%s%n', '{{7*7}}', '../../etc/passwd', '<script>', '"', '\\', '{}', '[]'],
    ...['__proto__', 'constructor', 'toString', 'null', 'NaN', 'true', '0x1', '1e3', '\r\nset-cookie: a=b'],
    ...['x'.repeat(201), 'x'.repeat(5000), '\u{1f600}'.repeat(200), 'a'.repeat(64), 'a'.repeat(65)],
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
)

export const number = fc.oneof(
  fc.constantFrom(0, -0, -1, 0.5, 1e21, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -(2 ** 53), 2 ** 63, 1e308, 5e-324),
  fc.double(),
  fc.maxSafeInteger(),
)

/** Timestamps beyond the limits of the calendar, of JavaScript and of PostgreSQL, or close to them. */
const oddInstant = fc.oneof(
  fc.constantFrom('0000-01-01', '0001-01-01T00:00+14', '0999-12-31T23:59:59.999Z', '1000-01-01T00:00:00Z'),
  fc.constantFrom('9999-12-31T23:59:59.999-14:00', '9999-12-31T23:59:59.999Z', '+010000-01-01T00:00:00Z'),
  fc.constantFrom('2027-02-29T00:00:00Z', '2027-06-30T23:59:60Z', '2027-01-01T24:00:00Z', '1969-12-31'),
  fc.constantFrom(
    '2027-03-28T01:00:00',
    '2027-01-01T00:00:00+23:59',
    '2027-01-01t00:00:00z',
    '-000001-01-01',
  ),
  fc.date({ noInvalidDate: false }).map(isoOf),
)

/** Timestamps, most of them in this century. */
export const instant = mostly(
  4,
  fc.date({ min: new Date('2025-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }).map(isoOf),
  oddInstant,
)

function isoOf(date: Date): string {
  return Number.isNaN(date.getTime()) ? String(date) : date.toISOString()
}

/** Any JSON value, most often one that has caused trouble elsewhere. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, [], {}, [[]], { a: { b: null } }),
  text,
  number,
  instant,
  fc.jsonValue({ depthSize: 'small', stringUnit: 'binary' }),
)

/** URLs for http tasks. All of them lead to this machine, or nowhere. */
const url = mostly(
  4,
  fc.constantFrom(
    'http://127.0.0.1:1/',
    'http://[::1]:1/',
    'http://127.0.0.1:1/?q=%zz#f',
    'https://127.0.0.1:1/',
  ),
  fc.constantFrom(
    'ftp://127.0.0.1/',
    'http://',
    'nope',
    'http://[::bad/',
    'file:///etc/passwd',
    '//127.0.0.1:1',
  ),
)

const httpParams = fc.record(
  {
    url,
    method: mostly(6, fc.constantFrom<unknown>('GET', 'HEAD', 'POST', 'DELETE'), anything),
    headers: mostly<unknown>(6, fc.constant({ accept: '*/*' }), fc.dictionary(text, anything)),
    body: mostly(4, fc.constantFrom<unknown>('text', { a: [1] }), anything),
    expected_status: mostly(6, fc.constantFrom<unknown>(200, [200, 404]), anything),
    retry_status: mostly(6, fc.constant<unknown>([500]), anything),
  },
  { requiredKeys: [] },
)

const work = fc.oneof(
  fc.record({
    type: fc.constant('sleep'),
    params: fc.record({ duration: mostly(6, fc.constantFrom<unknown>(0, 0.01, 1, 86_400), anything) }),
  }),
  fc.record({
    type: fc.constant('counter'),
    params: fc.record({ count: mostly(6, fc.maxSafeInteger(), number) }),
  }),
  fc.record({ type: fc.constant('http'), params: httpParams }),
)

const oddCron = fc.oneof(
  fc.constantFrom(
    '0 0 30 2 *',
    '@reboot',
    '61 * * * *',
    '0 2 * 3 0',
    `${'0,'.repeat(500)}0 * * * *`,
    '0 0 L-40 * *',
  ),
  fc.string({ unit: fc.constantFrom(...'0123456789*/,-#LW@? '), maxLength: 30 }),
)

const cron = mostly(
  4,
  fc.constantFrom('*/5 9-17 * * 1-5', '@daily', '0 0 * * * *', '59 23 31 12 7#5', '0 0 29 2 *', '30 2 * * *'),
  oddCron,
)

const zone = mostly(
  6,
  fc.constantFrom('UTC', 'Europe/Berlin', 'Pacific/Apia', 'Asia/Kathmandu', 'Australia/Lord_Howe'),
  fc.constantFrom('Mars/Base', '+02:00', 'europe/berlin', '../etc/passwd', 'GMT+25'),
)

const schedule = fc.oneof(
  fc.record({
    schedule_type: fc.constant('interval'),
    interval_seconds: mostly(8, fc.integer({ min: 600, max: 86_400 }), fc.constantFrom(1, 2 ** 31 - 1)),
  }),
  fc.record({ schedule_type: fc.constant('once'), next_run_at: instant }),
  fc.record({ schedule_type: fc.constant('cron'), cron_expression: cron, timezone: zone }),
)

/** Names that recur, so that some requests meet an existing task. */
const name = mostly(
  4,
  fc.nat().map((it) => `task ${it}`),
  fc.constantFrom('a', 'b', 'fuzz', '\u00e9\u{1f600}', 'with space', 'a/b', '..', '%41'),
)

/** A task whose fields fit together, which random fields rarely do. */
export const task = fc.tuple(fc.record({ name }), work, schedule).map((parts) => Object.assign({}, ...parts))

/** Values for fields and parameters whose schema says little about what is valid. */
export const known: Record<string, fc.Arbitrary<unknown>> = {
  name,
  name_prefix: fc.constantFrom('a', 'task', '%', '\u{1f600}', ''),
  cron_expression: cron,
  timezone: zone,
  url,
  params: mostly<unknown>(
    4,
    work.map(({ params }) => params),
    fc.dictionary(text, anything),
  ),
  paused: fc.constantFrom('true', 'false', '1', 'off'),
  all: fc.constantFrom('true', 'false'),
  dry_run: fc.constantFrom('true', 'false'),
  ids: fc.constantFrom('true', 'false'),
  tag: fc.constantFrom('reports', 'a', '"', '{}', '\\'),
  asset: fc.constantFrom('swagger-ui.css', 'swagger-ui-bundle.js', 'app.js', 'nope.js', '..', 'constructor'),
}
