import { httpHandler } from '../../shared/http/handler.ts'
import { toLink } from '../../shared/http/link.ts'

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Redirect to the documentation',
    description: 'Redirects browsers from `/` to `/docs`.',
    access: 'public',
    responses: { 302: { description: 'Redirect to `/docs`' } },
  },
  () => ({ status: 302, body: '', headers: { location: toLink('/docs') } }),
)
