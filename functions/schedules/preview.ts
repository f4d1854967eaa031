import { httpHandler } from '../../shared/http/handler.ts'
import { preview, previewIn, previewOut } from '../../shared/tasks/preview.ts'

export const handler = httpHandler(
  {
    tag: 'Schedules',
    summary: 'Preview a schedule',
    description:
      'Tells the next occurrences of a schedule without creating a task, puts the schedule into words, and notes every run that a clock change affects.',
    body: previewIn,
    example: { schedule_type: 'cron', cron_expression: '30 2 * * *', timezone: 'Europe/Berlin', count: 3 },
    responses: { 200: { description: 'The occurrences', body: previewOut } },
  },
  async ({ body }, { sql }) => ({ status: 200, body: await preview(sql, body) }),
)
