import { afterAll, beforeAll, expect, test } from 'vitest'
import { fuzz } from '../fuzz/fuzz.ts'
import { startContainer, tablesWith } from '../fuzz/target.ts'
import { eventually } from '../setup/eventually.ts'

const LANES = 8

let target: Awaited<ReturnType<typeof startContainer>>

beforeAll(async () => {
  target = await startContainer(LANES)
})

afterAll(async () => {
  await target?.stop()
})

test.runIf(process.platform === 'linux')('keeps no socket open for a client that has hung up', async () => {
  const others = async () => {
    const { sockets, connections } = await target.usage()
    return sockets - connections
  }
  const before = await others()
  await fuzz({ ...target, requests: 200, lanes: LANES, counts: new Map() })
  target.client.close()
  await eventually(async () => expect(await others()).toBeLessThanOrEqual(before))
})

test('gives a documented answer to each of 1,500 random requests', { timeout: 120_000 }, async () => {
  await fuzz({ ...target, requests: 1500, lanes: LANES, counts: new Map() })
  expect(target.log().wrong).toEqual([])
  expect(await tablesWith(target)).toEqual([])
})
