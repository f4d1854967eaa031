import { expect, test } from 'vitest'
import { connect, db } from '../../shared/db.ts'

/** Unusual settings for the database. They apply to every connection that doesn't override them. */
const UNUSUAL = {
  TimeZone: 'Asia/Kathmandu',
  DateStyle: 'German, DMY',
  IntervalStyle: 'sql_standard',
  extra_float_digits: '-10',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  statement_timeout: '1',
  lock_timeout: '1',
}

test('values keep their meaning regardless of the database settings', async () => {
  const [{ name }] = await db()<[{ name: string }]>`select current_database() as name`
  for (const [key, value] of Object.entries(UNUSUAL)) {
    await db().unsafe(`alter database ${name} set ${key} = '${value}'`)
  }
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1 })
  try {
    const [row] = await sql`
      select
        '2027-03-04T05:06:07.089Z'::timestamptz as instant,
        '1 day 02:03:04'::interval::text as interval,
        0.1::float8 + 0.2::float8 as float,
        '\\x00ff'::bytea as bytes,
        '{1,NULL}'::int[]::text as array,
        (null = null) is null as "null",
        current_setting('transaction_isolation') as isolation,
        'a\\b' as backslash`
    expect(row).toEqual({
      instant: new Date('2027-03-04T05:06:07.089Z'),
      interval: '1 day 02:03:04',
      float: 0.1 + 0.2,
      bytes: Buffer.from([0, 255]),
      array: '{1,NULL}',
      null: true,
      isolation: 'read committed',
      backslash: 'a\\b',
    })
    await sql`create temporary table written (at timestamptz)`
  } finally {
    await sql.end()
  }
})
