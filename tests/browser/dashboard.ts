import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { startLink } from '../setup/link.ts'
import { createTestDatabase } from '../setup/test-database.ts'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** Milliseconds that the page may take for what a test waits for. */
const PATIENCE_MS = 15_000

const LIFETIME_MS = 600_000

export type Dashboard = Awaited<ReturnType<typeof openDashboard>>

/** Starts a server with an empty database, and a browser. */
export async function openDashboard(env: Record<string, string> = {}) {
  const database = await createTestDatabase()
  const link = await startLink(database.url)
  let server = await start({ DATABASE_URL: link.url, ...env })
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] })
  const port = new URL(server.url).port
  const problems: string[] = []
  return {
    sql: database.sql,
    /** The server's connection to the database. */
    link,
    url: server.url,
    /** What any page has logged as an error since the last call. */
    takeProblems: () => problems.splice(0),
    /** Opens a screen in a window of its own. */
    async open(address = '#/', options: BrowserContextOptions = {}): Promise<Page> {
      const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
      context.setDefaultTimeout(PATIENCE_MS)
      const page = await context.newPage()
      page.on('pageerror', (error) => problems.push(error.message))
      page.on('console', (message) => {
        // A refused connection, a 401 and a 403 are the server's answers, which the page shows.
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
          problems.push(message.text())
      })
      await page.goto(`${server.url}/${address}`)
      return page
    },
    /** Sends a request as a client without a browser does. */
    async call(method: string, path: string, body?: object, key?: string): Promise<{ id: number }> {
      const headers = { 'content-type': 'application/json', ...(key && { 'x-api-key': key }) }
      const response = await fetch(server.url + path, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      })
      // Only what tests create is read from answers.
      const answer = (await response.json()) as { id: number }
      expect({ path, ok: response.ok, answer }).toMatchObject({ ok: true })
      return answer
    },
    async stopServer() {
      await server.stop('SIGKILL')
    },
    /** Starts the server again, on the same port. */
    async startServer() {
      server = await start({ DATABASE_URL: link.url, ...env, PORT: port })
    },
    async close() {
      await browser.close()
      await server.kill()
      link.close()
      await database.drop()
    },
  }
}

const start = (env: Record<string, string>): Promise<Runtime> =>
  startProcess(
    ['infra/container/main.ts'],
    { HOST: '127.0.0.1', PORT: '0', TICK_INTERVAL_MS: '200', LOG_LEVEL: 'WARN', ...env },
    LIFETIME_MS,
  )

function chromiumPath(): string {
  const path = process.env.CHROMIUM_PATH
  if (path && existsSync(path)) return path
  throw new Error(`npm run test:browser needs Chromium: set CHROMIUM_PATH (got "${path ?? ''}")`)
}

type Violation = { id: string; nodes: { html: string; failureSummary?: string }[] }

/** Fails if axe finds anything that keeps people out of what the page shows now. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // The page's policy allows no script from elsewhere, so axe is evaluated by the debugger.
  const { readFile } = await import('node:fs/promises')
  await page.evaluate(await readFile(AXE, 'utf8'))
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(where: object): Promise<{ violations: Violation[] }> }
    }
    // Invisible, and focused only to move the focus on: a menu's library needs them, and axe can't know that.
    return (await axe.run({ exclude: ['[data-base-ui-focus-guard]'] })).violations
  })
  const found = violations.map(({ id, nodes }) => ({
    id,
    nodes: nodes.map(({ html, failureSummary }) => [html.slice(0, 200), failureSummary]),
  }))
  expect({ what, found }).toEqual({ what, found: [] })
}

/** Fails if a page is wider than its window, so that one would have to scroll sideways. */
export async function expectNoOverflow(page: Page, what: string): Promise<void> {
  const { width, window } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    window: innerWidth,
  }))
  expect({ what, fits: width <= window, width }).toMatchObject({ what, fits: true })
}
