import { setTimeout } from 'node:timers/promises'
import * as z from 'zod'
import { success } from './outcome.ts'
import type { Runner } from './runner.ts'

const params = z.strictObject({
  duration: z.number().min(0).max(86_400).default(2).describe('Seconds to wait. Fractions are allowed.'),
})

/** Waits for `duration` seconds. */
export const sleep: Runner<z.infer<typeof params>> = {
  about: 'Waits for `duration` seconds',
  params,
  async run({ duration }, run) {
    if (duration > 0) await setTimeout(duration * 1000, undefined, { signal: run.signal })
    return success({ slept_seconds: duration })
  },
}
