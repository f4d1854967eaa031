import * as z from 'zod'
import { instantIn } from '../instant.ts'

/** What the control calls take; each may be left out whole. */
export const pauseIn = z.strictObject({
  until: instantIn.nullable().default(null).describe('It is resumed by itself then'),
  reason: z.string().max(500).nullable().default(null),
})

export const resumeIn = z.strictObject({
  missed: z
    .enum(['skip', 'policy'])
    .default('skip')
    .describe('What came due during the pause: skipped, or left to the misfire policy'),
})

export const runIn = z.strictObject({
  overlap: z
    .enum(['refuse', 'queue'])
    .default('refuse')
    .describe('While an execution is open: 409, or one run follows it'),
})
