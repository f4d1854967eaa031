import type * as z from 'zod'
import type { previewOut } from '../shared/tasks/preview.ts'
import { type AddCommands, type ScheduleOptions, toSchedule, wholeNumber, withSchedule } from './options.ts'
import { shortInstant } from './output.ts'

type Preview = z.output<typeof previewOut>
type Occurrence = Preview['occurrences'][number]

const columns = [
  { title: 'UTC', cell: (it: Occurrence) => shortInstant(it.at) },
  { title: 'LOCAL', cell: (it: Occurrence) => it.local },
  { title: 'NOTE', cell: (it: Occurrence) => it.note ?? '' },
] as const

export const addPreviewCommand: AddCommands = (program, session) => {
  withSchedule(program.command('preview'))
    .description('preview a schedule without creating a task')
    .option('--after <time>', 'show occurrences after this time (default now)')
    .option('--count <n>', 'number of occurrences to show (default 5)', wholeNumber)
    .action(async (options: ScheduleOptions & { after?: string; count?: number }) => {
      const { api, output } = session()
      const { after, count } = options
      const preview = await api.call<Preview>('POST', '/schedules/preview', {
        ...toSchedule(options),
        after,
        count,
      })
      output.say(preview.description, preview)
      if (!program.opts().json) output.table([...columns], preview.occurrences, 'there are no occurrences')
    })
}
