import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../setup/eventually.ts'
import { announce, type Counts, fuzz, REQUESTS, report } from './fuzz.ts'
import { deleteAll, startContainer, tablesWith, type Usage } from './target.ts'

const LANES = 8
const PARTS = 20
/**
 * Number of requests after which the process has compiled its code, and V8 has grown its heap to the size that it
 * needs.
 */
const WARM_UP = 20_000

/** How much the process may grow after that: MiB of memory, and connections that a pool hadn't opened before. */
const GROWTH_MB = 64
const MORE_CONNECTIONS = 2

let target: Awaited<ReturnType<typeof startContainer>>

beforeAll(async () => {
  target = await startContainer(LANES)
})

afterAll(async () => {
  await target?.stop()
})

test(`the container's process gives a documented answer to ${REQUESTS} random requests`, async () => {
  announce('container')
  const counts: Counts = new Map()
  const used: Usage[] = []
  try {
    for (let part = 0; part < PARTS; part += 1) {
      await fuzz({ ...target, requests: REQUESTS / PARTS, lanes: LANES, counts })
      await deleteAll(target)
      target.client.close()
      used.push(await target.usage())
    }
  } finally {
    report('container', counts, target.log())
    console.table(used)
  }
  expect(target.log().wrong).toEqual([])
  expect(await tablesWith(target)).toEqual([])
  const warm = used[Math.ceil((PARTS * WARM_UP) / REQUESTS) - 1]
  // A short run ends before the warm-up is over.
  if (warm === undefined) return
  await eventually(async () => {
    const last = await target.usage()
    expect(last.rss).toBeLessThan(warm.rss + GROWTH_MB)
    expect(last.sockets).toBeLessThanOrEqual(warm.sockets + MORE_CONNECTIONS)
    expect(last.connections).toBeLessThanOrEqual(warm.connections + MORE_CONNECTIONS)
  }, 60)
})
