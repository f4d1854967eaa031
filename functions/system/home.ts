import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Redirect to the documentation',
    description: 'Leads a browser from the address of the server to `/docs`.',
    public: true,
    responses: { 302: { description: 'To `/docs`' } },
  },
  () => ({ status: 302, body: '', headers: { location: '/docs' } }),
)
