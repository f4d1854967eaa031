import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import * as z from 'zod'
import { AppError } from '../../shared/errors.ts'
import { httpHandler } from '../../shared/http/handler.ts'

const CONTENT_TYPES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
} as const

type Asset = keyof typeof CONTENT_TYPES

const isAsset = (name: string): name is Asset => Object.hasOwn(CONTENT_TYPES, name)

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Task scheduler API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', persistAuthorization: true })</script>
</body>
</html>
`

const require = createRequire(import.meta.url)

/**
 * Serves the page and, under `/docs/{asset}`, the two files from swagger-ui-dist that it needs, so that no CDN is
 * involved.
 */
export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Show the API documentation',
    description: 'Serves this page and its assets. Nothing is loaded from a CDN.',
    access: 'public',
    path: z.strictObject({ asset: z.string().optional() }),
    responses: {
      200: { description: 'The page, or one of its assets' },
      404: { description: 'The asset does not exist' },
    },
  },
  async ({ path: { asset } }) => {
    if (asset === undefined)
      return { status: 200, body: page, headers: { 'content-type': 'text/html; charset=utf-8' } }
    if (!isAsset(asset)) throw new AppError('not_found', `/docs/${asset} does not exist`)
    const body = await readFile(require.resolve(`swagger-ui-dist/${asset}`), 'utf8')
    return {
      status: 200,
      body,
      headers: { 'content-type': CONTENT_TYPES[asset], 'cache-control': 'max-age=86400' },
    }
  },
)
