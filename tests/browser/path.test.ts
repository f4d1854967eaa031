import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type Dashboard, openDashboard } from './dashboard.ts'

/** Serves a server's root at `/scheduler/`, as a proxy in front of several services does. */
async function startProxy(dashboard: Dashboard) {
  const proxy = createServer((incoming, outgoing) => {
    const { url = '/', method, headers } = incoming
    if (!url.startsWith('/scheduler/')) return void outgoing.writeHead(418).end()
    const sent = request(dashboard.url + url.slice('/scheduler'.length), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    sent.on('error', () => outgoing.destroy())
    incoming.pipe(sent)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/scheduler/`,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}

test('works behind a path', async () => {
  const dashboard = await openDashboard()
  try {
    await using proxy = await startProxy(dashboard)
    const page = await dashboard.open()
    const refused: string[] = []
    page.on('response', (response) => {
      if (response.status() >= 400) refused.push(response.url())
    })
    await page.goto(proxy.url)
    await page.getByRole('link', { name: 'Create the first task' }).click()
    await page.getByLabel('Name').fill('behind a path')
    await page.getByLabel('Type').selectOption('counter')
    await page.getByRole('button', { name: 'Create task' }).click()
    await page.getByRole('heading', { name: 'behind a path', level: 1 }).waitFor()
    expect(page.url()).toMatch(/\/scheduler\/#\/tasks\/\d+$/)
    expect(refused).toEqual([])
    expect(dashboard.takeProblems()).toEqual([])
  } finally {
    await dashboard.close()
  }
})
