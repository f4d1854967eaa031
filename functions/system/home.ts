import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    summary: 'Redirect to the documentation',
    public: true,
    responses: { 302: { description: 'To `/docs`' } },
  },
  () => ({ status: 302, body: '', headers: { location: '/docs' } }),
)
