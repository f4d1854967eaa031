import document from '../../openapi.json' with { type: 'json' }
import { assetOf } from '../../shared/http/asset.ts'
import { httpHandler } from '../../shared/http/handler.ts'

const asset = assetOf('application/json', async () => Buffer.from(JSON.stringify(document)))

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Get the OpenAPI document',
    description: 'Returns the description of this API in OpenAPI 3.1.',
    access: 'public',
    responses: {
      200: { description: 'The OpenAPI document' },
      304: { description: 'The client has the current version' },
    },
  },
  (_input, { event }) => asset.reply(event),
)
