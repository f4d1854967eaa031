import * as z from 'zod'
import { describeIssue } from '../describe-issue.ts'
import { invalid } from '../errors.ts'
import { findHidden } from '../hidden-characters.ts'
import { instantIn } from '../instant.ts'
import { problemsOf, toPointer } from '../parse.ts'
import { runnerOf, TASK_TYPES } from '../runners/index.ts'
import { SCHEDULE_TYPES } from '../scheduling/schedule/schedule.ts'
import { FIELDS_IN, SCHEDULE_IN } from './fields.ts'

const name = z
  .string()
  .min(1)
  .max(200)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: tools in other languages can't compile \p{Cc}
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'contains a control character')
  .refine((text) => text.trim() === text, 'starts or ends with whitespace')
  .refine((text) => findHidden(text) === undefined, {
    error: ({ input }) => `contains the hidden character ${findHidden(String(input))}`,
  })
  .describe('The unique name of the task.')

/**
 * Fields that POST and PATCH share. Null means "not given", except that in a PATCH it clears the fields that can be
 * cleared.
 */
const shared = {
  ...SCHEDULE_IN,
  next_run_at: instantIn
    .nullish()
    .describe(
      'When the next occurrence is due. Required for `once` schedules. A new interval task without it starts at `start_at`, or immediately.',
    ),
  ...FIELDS_IN,
}

export const taskCreate = z
  .strictObject({
    name,
    type: z.enum(TASK_TYPES).describe('The task type, which determines the allowed `params`.'),
    schedule_type: z.enum(SCHEDULE_TYPES).describe('How the task is scheduled.'),
    ...shared,
  })
  .meta({ id: 'TaskCreate' })

export const taskPatch = z
  .strictObject({
    schedule_type: z.enum(SCHEDULE_TYPES).nullish().describe('How the task is scheduled.'),
    ...shared,
  })
  .meta({ id: 'TaskPatch' })

/** In a PUT, the name is in the path. */
export const taskPut = taskCreate.omit({ name: true }).meta({ id: 'TaskPut' })

export const taskNamePath = z.strictObject({ name })

export type TaskCreate = z.output<typeof taskCreate>
export type TaskPatch = z.output<typeof taskPatch>

/** Validates params with the schema of the type's runner. Throws `invalid`, with a pointer to each mistake. */
export function checkParams(type: string, params: Record<string, unknown>): void {
  const runner = runnerOf(type)
  const parsed = (runner?.newParams ?? runner?.params)?.safeParse(params, { error: describeIssue })
  if (parsed?.success !== false) return
  throw invalid(problemsOf(parsed.error, (path) => ({ pointer: toPointer(['params', ...path]) })))
}
