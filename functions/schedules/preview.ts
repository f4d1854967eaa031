import { httpHandler } from '../../shared/http/handler.ts'
import { preview, previewIn, previewOut } from '../../shared/tasks/preview.ts'

export const handler = httpHandler(
  {
    tag: 'Schedules',
    access: 'read',
    summary: 'Preview a schedule',
    description:
      'Returns the next occurrences of a schedule, without creating a task. Also describes the schedule in words, and adds a note to every occurrence that a clock change affects.',
    body: previewIn,
    example: { schedule_type: 'cron', cron_expression: '30 2 * * *', timezone: 'Europe/Berlin', count: 3 },
    responses: { 200: { description: 'The description and the occurrences', body: previewOut } },
  },
  async ({ body }, { sql }) => ({ status: 200, body: await preview(sql, body) }),
)
