import { afterAll, beforeEach, expect, test } from 'vitest'
import { connect, db } from '../../shared/db.ts'
import { getStats } from '../../shared/stats/get.ts'
import { statsQuery } from '../../shared/stats/stats.ts'
import { countFrom } from '../setup/roll-ups.ts'
import { emptyTables, nowPlus } from '../setup/rows.ts'

/** The server cancels its statements while they wait for a lock, as if they took too long. */
const hasty = connect(process.env.DATABASE_URL ?? '', {
  max: 1,
  limits: { silenceMs: 20_000, statementMs: 500, lockMs: 10_000 },
})

beforeEach(emptyTables)
afterAll(() => hasty.end())

const NOT_COUNTED =
  'the statistics took too long: ask for a shorter window, or wait until the ledger is counted'

test.for([
  ['too many tasks have this tag: ask for a shorter window', { tag: 'a' }, -600],
  [NOT_COUNTED, { tag: 'a' }, -86_400],
  [NOT_COUNTED, {}, -600],
] as const)('statistics that take too long say why: %s', async ([detail, query, counted]) => {
  await countFrom(await nowPlus(counted))
  await db().begin(async (tx) => {
    await tx`lock table task_stats, total_stats`
    await expect(getStats(hasty, statsQuery.parse(query))).rejects.toMatchObject({
      code: 'unavailable',
      message: detail,
    })
  })
})
