type Cookie = { value: string; path: string; sameSite: string; isSecure: boolean; isHttpOnly: boolean }

export type Page = { status: number; headers: Headers; text: string; json: () => unknown }

type Request = {
  method?: string
  headers?: Record<string, string>
  body?: unknown
  /** The request comes from a page of another site. */
  crossSite?: boolean
  /** The request loads a page, rather than being sent by one. */
  navigates?: boolean
}

/**
 * What a browser does with cookies (RFC 6265bis): one jar for all tabs, sent by path and SameSite. Hosts don't matter
 * here, except that `foreign` servers have a jar of their own.
 */
export class Browser {
  readonly cookies = new Map<string, Cookie>()
  /** Every `Set-Cookie` so far, as it was sent. */
  readonly received: string[] = []

  async send(
    url: string,
    { method = 'GET', headers = {}, body, crossSite, navigates }: Request = {},
  ): Promise<Page> {
    const { origin, pathname } = new URL(url)
    const cookie = this.#cookiesFor(pathname, {
      isCross: crossSite === true,
      isSafe: navigates === true && method === 'GET',
    })
    const answer = await fetch(url, {
      method,
      redirect: 'manual',
      headers: {
        'sec-fetch-site': crossSite ? 'cross-site' : 'same-origin',
        ...(navigates && { accept: 'text/html' }),
        ...(method !== 'GET' && { origin: crossSite ? 'https://evil.example' : origin }),
        ...(cookie && { cookie }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    for (const set of answer.headers.getSetCookie()) this.#keep(set)
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) }
  }

  #cookiesFor(path: string, { isCross, isSafe }: { isCross: boolean; isSafe: boolean }): string {
    return [...this.cookies]
      .filter(([, it]) => path === it.path || path.startsWith(it.path.replace(/\/?$/, '/')))
      .filter(([, { sameSite }]) => !isCross || (sameSite === 'Lax' && isSafe))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
  }

  #keep(text: string): void {
    this.received.push(text)
    const [pair = '', ...attributes] = text.split(/; */)
    const [name = '', value = ''] = pair.split('=')
    const find = (wanted: string) =>
      attributes.map((it) => it.split('=')).find(([key]) => key?.toLowerCase() === wanted)
    if (find('max-age')?.[1] === '0') this.cookies.delete(name)
    else
      this.cookies.set(name, {
        value,
        path: find('path')?.[1] ?? '/',
        sameSite: find('samesite')?.[1] ?? 'Lax',
        isSecure: find('secure') !== undefined,
        isHttpOnly: find('httponly') !== undefined,
      })
  }
}
