import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Redirect to the documentation',
    description: 'Redirects browsers from `/` to `/docs`.',
    public: true,
    responses: { 302: { description: 'Redirect to `/docs`' } },
  },
  () => ({ status: 302, body: '', headers: { location: '/docs' } }),
)
