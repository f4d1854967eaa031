import document from '../../openapi.json' with { type: 'json' }
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Get the OpenAPI document',
    description: 'Returns the description of this API in OpenAPI 3.1.',
    access: 'public',
    responses: { 200: { description: 'The OpenAPI document' } },
  },
  () => ({ status: 200, body: document }),
)
