import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type postgres from 'postgres'
import { asAdmin } from '../server/database.ts'
import { fill, inDatabase, type Outcome, settingsOf, type Trial, type Values, withWorkers } from './trial.ts'

type Sql = postgres.Sql

/** A crowd of late or slow tasks that runs alongside the probes, which are quick tasks due every second. */
export type Crowd = {
  /** Inserts the crowd. The server at `target` hangs (see `quickSeconds`). The server at `fast` responds at once. */
  insert(sql: Sql, urls: { target: string; fast: string }): Promise<unknown>
  /** Seconds until `target` hangs. Until then, it responds at once. If unset, it hangs from the start. */
  quickSeconds?: number
  /** Set if the scheduler can't tell new probes from the crowd. All probes are then created before the crowd. */
  knownOnly?: true
}

/** Number of probes. Unless the crowd is `knownOnly`, half of them are created after the crowd. */
const PROBES = 20
/** Seconds to let the crowd fill the slots before known probes are measured. */
const FILLS_SECONDS = 5
/** Seconds from the creation of the new probes until they are measured. */
const NEW_SECONDS = 15
const MEASURED_SECONDS = 20
const MANUAL_EACH_MS = 5000

type Beside = { sql: Sql; url: string; target: Target; fast: Target; crowd: Crowd; seconds: number }

/**
 * Measures how a system runs the probes while there is a crowd. Returns what share of the probes' occurrences and what
 * share of the manual runs started within a second, how many runs of the crowd succeeded per second, and how much
 * memory the process uses.
 */
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
  const id = await insertManual(sql)
  await wait(4000)
  const done = new AbortController()
  const asked = requestRuns(`${beside.url}/tasks/${id}/run`, done.signal)
  await comes(beside)
  if (!crowd.knownOnly) await insertProbes(sql, 'new', PROBES / 2, fast.url)
  const [{ at }] = await sql<[{ at: Date }]>`select date_trunc('second', now()) as at`
  await wait((NEW_SECONDS + seconds) * 1000)
  const known = await share(sql, 'known', at, NEW_SECONDS + seconds)
  const added = await share(sql, 'new', new Date(at.getTime() + NEW_SECONDS * 1000), seconds)
  done.abort()
  const requested = await asked
  // After this wait, the last manual run has either started or counts as late.
  await wait(2000)
  const [{ rate }] = await sql<[{ rate: number }]>`
    select (count(*) / extract(epoch from now() - ${at}))::float8 as rate from executions e
    join tasks t on t.id = e.task_id where t.name like 'crowd%' and e.started_at > ${at} and e.status = 'success'`
  return {
    known_share: known,
    ...(!crowd.knownOnly && { new_share: added }),
    manual_share: await manualShare(sql, id, requested),
    crowd_rate: rate,
  }
}

/** Starts the crowd, and waits until it has filled the slots. */
async function comes({ sql, crowd, target, fast }: Beside): Promise<void> {
  if (crowd.quickSeconds === undefined) target.hang()
  await crowd.insert(sql, { target: target.url, fast: fast.url })
  await wait((crowd.quickSeconds ?? 0) * 1000)
  target.hang()
  await wait(FILLS_SECONDS * 1000)
}

async function insertManual(sql: Sql): Promise<number> {
  const [{ id }] = await sql<[{ id: number }]>`
    insert into tasks (name, type, schedule_type, params) values ('manual', 'sleep', 'once', '{"duration":0}')
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

/** Returns the share of these probes' occurrences that started within a second. */
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

async function requestRuns(url: string, signal: AbortSignal): Promise<number> {
  let asked = 0
  while (!signal.aborted) {
    await wait(MANUAL_EACH_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return asked
    asked += 1
    await fetch(url, { method: 'POST', signal: AbortSignal.timeout(4000) }).catch(() => {})
  }
  return asked
}

async function manualShare(sql: Sql, id: number, asked: number): Promise<number> {
  const [{ hits }] = await sql<[{ hits: number }]>`
    select count(*)::int as hits from executions
    where task_id = ${id} and started_at - due_at < interval '1 s'`
  return hits / asked
}

type Target = { url: string; hang(): void; close(): void }

/** Starts a server that responds at once until `hang` is called. */
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
