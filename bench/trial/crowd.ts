import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type postgres from 'postgres'
import { asAdmin } from '../server/database.ts'
import { fill, inDatabase, type Outcome, settingsOf, type Trial, type Values, withWorkers } from './trial.ts'

type Sql = postgres.Sql

/** A crowd that is late or slow, beside tasks of every second that take no time. */
export type Crowd = {
  /** Inserts the crowd, due. `target` never answers once `hang` was called; `fast` answers at once. */
  insert(sql: Sql, urls: { target: string; fast: string }): Promise<unknown>
  /** It is quick for this many seconds, and hangs from then on. Otherwise its target hangs from the start. */
  quickSeconds?: number
  /** Probes are only made before it, since a new one can't be told from the crowd. */
  knownOnly?: true
}

/** So many of each kind: those that the scheduler knows, and those that come after the crowd. */
const PROBES = 20
/** Known probes count from so many seconds after the crowd, and new ones this long after they were made. */
const FILLS_SECONDS = 5
const NEW_SECONDS = 15
const MEASURED_SECONDS = 20
const BY_HAND_EACH_MS = 5000

type Beside = { sql: Sql; url: string; target: Target; fast: Target; crowd: Crowd; seconds: number }

/** The shares of the probes' instants, and of the runs by hand, that started within a second. */
export async function besideCrowd(trial: Trial, crowd: Crowd, seconds = MEASURED_SECONDS): Promise<Outcome> {
  return await inDatabase(trial, async (database) => {
    await fill(trial, database, [])
    const [fast, target] = [await startTarget(), await startTarget()]
    try {
      return await withWorkers(trial, settingsOf(trial, database), 1, async ([worker]) => {
        const url = (await worker?.start()) ?? ''
        const values = await asAdmin(database.url, (sql) =>
          measure({ sql, url, target, fast, crowd, seconds }),
        )
        return { values: { ...values, rss_mb: ((await worker?.summary())?.rssBytes ?? 0) / 1e6 } }
      })
    } finally {
      fast.close()
      target.close()
    }
  })
}

async function measure(beside: Beside): Promise<Values> {
  const { sql, crowd, fast, seconds } = beside
  await insertProbes(sql, 'known', crowd.knownOnly ? PROBES : PROBES / 2, fast.url)
  const id = await insertByHand(sql)
  await wait(4000)
  const done = new AbortController()
  const asked = askByHand(`${beside.url}/tasks/${id}/run`, done.signal)
  await comes(beside)
  if (!crowd.knownOnly) await insertProbes(sql, 'new', PROBES / 2, fast.url)
  const [{ at }] = await sql<[{ at: Date }]>`select date_trunc('second', now()) as at`
  await wait((NEW_SECONDS + seconds) * 1000)
  const known = await share(sql, 'known', at, NEW_SECONDS + seconds)
  const added = await share(sql, 'new', new Date(at.getTime() + NEW_SECONDS * 1000), seconds)
  done.abort()
  const askedByHand = await asked
  // By then the last run by hand has started, or counts as late.
  await wait(2000)
  const [{ rate }] = await sql<[{ rate: number }]>`
    select (count(*) / extract(epoch from now() - ${at}))::float8 as rate from executions e
    join tasks t on t.id = e.task_id where t.name like 'crowd%' and e.started_at > ${at} and e.status = 'success'`
  return {
    known_share: known,
    ...(!crowd.knownOnly && { new_share: added }),
    by_hand_share: await shareByHand(sql, id, askedByHand),
    crowd_rate: rate,
  }
}

/** Starts the crowd. Resolves when it has filled the slots. */
async function comes({ sql, crowd, target, fast }: Beside): Promise<void> {
  if (crowd.quickSeconds === undefined) target.hang()
  await crowd.insert(sql, { target: target.url, fast: fast.url })
  await wait((crowd.quickSeconds ?? 0) * 1000)
  target.hang()
  await wait(FILLS_SECONDS * 1000)
}

async function insertByHand(sql: Sql): Promise<number> {
  const [{ id }] = await sql<[{ id: number }]>`
    insert into tasks (name, type, schedule_type, params) values ('by hand', 'sleep', 'once', '{"duration":0}')
    returning id`
  await sql`insert into task_state (task_id, definition) select id, definition from tasks where id = ${id}`
  return id
}

async function insertProbes(sql: Sql, kind: string, count: number, url: string): Promise<void> {
  const probes = [
    { type: 'sleep', params: { duration: 0 } },
    { type: 'counter', params: {} },
    { type: 'http', params: { url } },
  ]
  for (let index = 0; index < count; index += 1) {
    const probe = probes[index % probes.length]
    await sql`
      with t as (
        insert into tasks (name, type, schedule_type, interval_seconds, params)
        values (${`${kind} ${index}`}, ${probe?.type ?? ''}, 'interval', 1, ${sql.json(probe?.params ?? {})})
        returning id, definition
      )
      insert into task_state (task_id, definition, next_run_at) select id, definition, date_trunc('second', now()) from t`
  }
}

/** Returns the share of these probes' instants that started within a second. */
async function share(sql: Sql, kind: string, from: Date, seconds: number): Promise<number> {
  const until = new Date(from.getTime() + seconds * 1000 - 1000)
  const [{ hits, probes }] = await sql<[{ hits: number; probes: number }]>`
    select (select count(*)::int from tasks where name like ${`${kind} %`}) as probes,
      (
        select count(*)::int from executions e join tasks t on t.id = e.task_id
        where t.name like ${`${kind} %`} and e.scheduled_for >= ${from} and e.scheduled_for < ${until}
          and e.attempt = 1 and e.started_at - e.due_at < interval '1 s'
      ) as hits`
  return hits / (probes * (seconds - 1))
}

async function askByHand(url: string, signal: AbortSignal): Promise<number> {
  let asked = 0
  while (!signal.aborted) {
    await wait(BY_HAND_EACH_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return asked
    asked += 1
    await fetch(url, { method: 'POST', signal: AbortSignal.timeout(4000) }).catch(() => {})
  }
  return asked
}

async function shareByHand(sql: Sql, id: number, asked: number): Promise<number> {
  const [{ hits }] = await sql<[{ hits: number }]>`
    select count(*)::int as hits from executions
    where task_id = ${id} and started_at - due_at < interval '1 s'`
  return hits / asked
}

type Target = { url: string; hang(): void; close(): void }

/** A server that answers at once, until it hangs. */
async function startTarget(): Promise<Target> {
  let hangs = false
  const server: Server = createServer((request, response) => {
    request.resume()
    if (!hangs) response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    hang() {
      hangs = true
    },
    close: () => server.close().closeAllConnections(),
  }
}
