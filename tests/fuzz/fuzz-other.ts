import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StartRuntime } from '../conformance/runtime.ts'
import { announce, type Counts, fuzz, type Part, REQUESTS, report } from './fuzz.ts'
import { startOther, type Target, tablesWith } from './target.ts'

/** Runtimes other than the container are slower, so they get a tenth of the requests. */
const TENTH = 10

/** Defines the test for a runtime. `lanes`: number of concurrent requests. */
export function fuzzOther(
  name: string,
  start: StartRuntime,
  options: Pick<Part, 'lanes' | 'readsAs' | 'isRefused'>,
): void {
  let target: Target

  beforeAll(async () => {
    target = await startOther(start, options.lanes)
  })

  afterAll(async () => {
    await target?.stop()
  })

  test(`${name} gives a documented answer to ${REQUESTS / TENTH} random requests`, async () => {
    announce(name)
    const counts: Counts = new Map()
    try {
      await fuzz({ ...target, ...options, requests: REQUESTS / TENTH, counts })
    } finally {
      report(name, counts, target.log())
    }
    expect(target.log().wrong).toEqual([])
    expect(await tablesWith(target)).toEqual([])
  })
}
