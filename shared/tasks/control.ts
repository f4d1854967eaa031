import * as z from 'zod'
import { instantIn } from '../instant.ts'
import { prose } from './fields.ts'

/** The request bodies for pause, resume and run. All fields are optional. */
export const pauseIn = z.strictObject({
  until: instantIn
    .nullable()
    .default(null)
    .describe('When the task resumes automatically. If null, it stays paused until someone resumes it.'),
  reason: prose(500).nullable().default(null).describe('Why the task is paused.'),
})

export const resumeIn = z.strictObject({
  missed: z
    .enum(['skip', 'policy'])
    .default('skip')
    .describe(
      "What happens to occurrences that became due during the pause. `skip` skips them; `policy` applies the task's misfire policy.",
    ),
})

export const runIn = z.strictObject({
  overlap: z
    .enum(['refuse', 'queue'])
    .default('refuse')
    .describe(
      'What to do if an execution is open. `refuse` returns 409; `queue` queues one run to follow it.',
    ),
})
