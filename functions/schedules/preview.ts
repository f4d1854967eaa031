import { httpHandler } from '../../shared/http/handler.ts'
import { preview, previewIn, previewOut } from '../../shared/tasks/preview.ts'

export const handler = httpHandler(
  {
    summary: 'Preview a schedule: its next occurrences, and what it says in words',
    body: previewIn,
    responses: { 200: { description: 'The occurrences', body: previewOut } },
  },
  async ({ body }, { sql }) => ({ status: 200, body: await preview(sql, body) }),
)
