import { handler as create } from '../../functions/session/create.ts'
import { handler as remove } from '../../functions/session/delete.ts'
import { handler as show } from '../../functions/session/get.ts'
import { handler as listTasks } from '../../functions/tasks/list.ts'
import { call, type HttpCall } from '../setup/http-event.ts'

/** The name of the cookie behind TLS. */
export const COOKIE = '__Host-tsk_session'

/** What a browser says about a page of this API. */
export const OWN_PAGE = { 'sec-fetch-site': 'same-origin' }

type More = Pick<HttpCall, 'headers' | 'sourceIp' | 'cookies'>

const page = ({ headers = {}, ...more }: More = {}) => ({
  ...more,
  headers: { 'x-api-key': undefined, ...OWN_PAGE, ...headers },
})

export const logIn = (key: string, more: More = {}) =>
  call(create, { method: 'POST', path: '/session', body: { key }, ...page(more) })

/** Logs in, and returns the session's cookie as browsers send it. */
export async function cookieOf(key: string, more: More = {}): Promise<string> {
  const { statusCode, cookies = [] } = await logIn(key, more)
  const [cookie] = cookies[0]?.split(';') ?? []
  if (cookie === undefined) throw new Error(`no session: status ${statusCode}`)
  return cookie
}

/** Lists the tasks, as a page of this API with these cookies. */
export const list = (...cookies: string[]) =>
  call(listTasks, { method: 'GET', path: '/tasks', ...page({ cookies }) })

export const showSession = (more: More = {}) => call(show, { method: 'GET', path: '/session', ...page(more) })

export const logOut = (more: More = {}) => call(remove, { method: 'DELETE', path: '/session', ...page(more) })
