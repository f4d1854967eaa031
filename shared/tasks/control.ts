import * as z from 'zod'
import { instantIn } from '../instant.ts'

/** The bodies of the control calls. Each may be left out. */
export const pauseIn = z.strictObject({
  until: instantIn.nullable().default(null).describe('When it resumes by itself'),
  reason: z.string().max(500).nullable().default(null),
})

export const resumeIn = z.strictObject({
  missed: z
    .enum(['skip', 'policy'])
    .default('skip')
    .describe('What happens to what came due during the pause: it is skipped, or left to the misfire policy'),
})

export const runIn = z.strictObject({
  overlap: z
    .enum(['refuse', 'queue'])
    .default('refuse')
    .describe('If an execution is open: answer 409, or let one run follow it'),
})
