import document from '../../openapi.json' with { type: 'json' }
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Get this document',
    description: 'The API as OpenAPI 3.1.',
    public: true,
    responses: { 200: { description: 'The document' } },
  },
  () => ({ status: 200, body: document }),
)
