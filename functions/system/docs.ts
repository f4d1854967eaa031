import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import * as z from 'zod'
import { AppError } from '../../shared/errors.ts'
import { assetOf } from '../../shared/http/asset.ts'
import { httpHandler } from '../../shared/http/handler.ts'

const require = createRequire(import.meta.url)

const swaggerFile = (name: string) => () => readFile(require.resolve(`swagger-ui-dist/${name}`))

/** Earlier versions kept the API key in the browser's storage, under `authorized`. */
const start = `localStorage.removeItem('authorized')
SwaggerUIBundle({ url: 'openapi.json', dom_id: '#ui' })
`

const ASSETS = {
  'swagger-ui.css': assetOf('text/css; charset=utf-8', swaggerFile('swagger-ui.css')),
  'swagger-ui-bundle.js': assetOf('text/javascript; charset=utf-8', swaggerFile('swagger-ui-bundle.js')),
  'start.js': assetOf('text/javascript; charset=utf-8', async () => Buffer.from(start)),
}

type AssetName = keyof typeof ASSETS

const isAsset = (name: string): name is AssetName => Object.hasOwn(ASSETS, name)

const urlOf = async (name: AssetName): Promise<string> => `docs/${name}?v=${await ASSETS[name].hash()}`

/** The browser refuses scripts and styles in the page itself. Links are relative, since PUBLIC_URL may have a path. */
const page = assetOf('text/html; charset=utf-8', async () =>
  Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Task scheduler API</title>
<link rel="stylesheet" href="${await urlOf('swagger-ui.css')}">
<link rel="icon" href="data:,">
</head>
<body>
<div id="ui"></div>
<script src="${await urlOf('swagger-ui-bundle.js')}"></script>
<script src="${await urlOf('start.js')}"></script>
</body>
</html>
`),
)

/**
 * Serves the page and, under `/docs/{asset}`, the script that starts Swagger UI and the two files from swagger-ui-dist
 * that it needs, so that no CDN is involved.
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
      304: { description: 'The client has the current version' },
      404: { description: 'The asset does not exist' },
    },
  },
  async ({ path: { asset } }, { event }) => {
    if (asset === undefined) return await page.reply(event)
    if (!isAsset(asset)) throw new AppError('not_found', `/docs/${asset} does not exist`)
    return await ASSETS[asset].reply(event)
  },
)
