import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { AppError } from '../../shared/errors.ts'
import { type Asset, assetOf } from '../../shared/http/asset.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { toLink } from '../../shared/http/link.ts'

/** What `npm run build` in `dashboard/` writes. `npm ci` runs it. */
const built = (name: string) => async (): Promise<Buffer> =>
  readFile(new URL(`../../dashboard/dist/${name}`, import.meta.url)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new AppError('not_found', 'the dashboard is not built: run `npm run dashboard`', { cause: error })
  })

const ASSETS: Record<string, Asset> = {
  'app.js': assetOf('text/javascript; charset=utf-8', built('app.js')),
  'app.css': assetOf('text/css; charset=utf-8', built('app.css')),
  'icon.svg': assetOf('image/svg+xml', built('icon.svg')),
}

/** Links are relative, since PUBLIC_URL may have a path. Each ends in the hash of its asset. */
const page = assetOf('text/html; charset=utf-8', async () => {
  let html = (await built('index.html')()).toString()
  for (const [name, asset] of Object.entries(ASSETS))
    html = html.replace(`"./${name}"`, `"dashboard/${name}?v=${await asset.hash()}"`)
  return Buffer.from(html)
})

/** Browsers ask for HTML by name. curl, for example, takes anything. */
const isBrowser = ({ accept = '' }: Record<string, string | undefined>): boolean =>
  accept.includes('text/html')

/**
 * Serves the dashboard at `/` and its assets under `/dashboard/{asset}`. They hold no data, so they need no key: the
 * page gets its data from the API.
 */
export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Show the dashboard',
    description: 'Serves the dashboard to browsers. Redirects other clients from `/` to `/docs`.',
    access: 'public',
    path: z.strictObject({ asset: z.string().optional() }),
    responses: {
      200: { description: 'The page, or one of its assets' },
      302: { description: 'Redirect to `/docs`, if `Accept` does not name `text/html`' },
      304: { description: 'The client has the current version' },
      404: { description: 'The asset does not exist' },
    },
  },
  async ({ path: { asset } }, { event }) => {
    if (asset !== undefined) {
      const found = Object.hasOwn(ASSETS, asset) ? ASSETS[asset] : undefined
      if (!found) throw new AppError('not_found', `/dashboard/${asset} does not exist`)
      return await found.reply(event)
    }
    if (isBrowser(event.headers)) {
      const { headers, ...reply } = await page.reply(event)
      return { ...reply, headers: { ...headers, vary: 'accept, accept-encoding' } }
    }
    return { status: 302, body: '', headers: { location: toLink('/docs'), vary: 'accept' } }
  },
)
