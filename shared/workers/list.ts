import * as z from 'zod'
import type { Queryable } from '../db.ts'
import { instantOut } from '../instant.ts'
import { UNSEEN_SECONDS } from './presence.ts'

/** Maximum number of workers that are returned. */
const WORKERS = 1000
/** Maximum number of running executions that are returned for a worker, and in all. */
const PER_WORKER = 100
const EXECUTIONS = 2000

export const workerOut = z
  .object({
    id: z.uuid().describe('New at each start.'),
    version: z.string(),
    runtime: z.enum(['container', 'lambda', 'offline']),
    host: z.string().describe('The host or container. On Lambda, the log stream.'),
    started_at: instantOut,
    last_seen_at: instantOut.describe('When it last wrote its row, which it does every 10 seconds.'),
    last_tick_at: instantOut
      .nullable()
      .describe('When its last tick before `last_seen_at` ended. Null if it has not ticked.'),
    slots: z.int().describe('Maximum number of executions that it runs at once.'),
    running: z.int().describe('Number of executions that it runs now.'),
    executions: z
      .array(z.object({ id: z.int(), task_id: z.int(), task_name: z.string(), started_at: instantOut }))
      .describe(
        `The executions that it runs now, oldest first: at most ${PER_WORKER}, and at most ${EXECUTIONS} for all workers together.`,
      ),
  })
  .meta({ id: 'Worker' })

type Instants = 'started_at' | 'last_seen_at' | 'last_tick_at'

type Worker = Omit<z.output<typeof workerOut>, Instants> & {
  started_at: Date
  last_seen_at: Date
  last_tick_at: Date | null
}

/** Returns the workers that have been seen lately, oldest first, with what they run. */
export async function listWorkers(sql: Queryable): Promise<Worker[]> {
  return await sql<Worker[]>`
    with present as (
      select * from workers
      where last_seen_at > now() - make_interval(secs => ${UNSEEN_SECONDS})
      order by started_at, id
      limit ${WORKERS}
    ),
    -- Each state is looked up by its key, as in state/ledger.ts.
    running as (
      select c.worker_id, s.*,
        row_number() over (partition by c.worker_id order by s.started_at, s.execution_id) as place,
        count(*) over (partition by c.worker_id)::int as total
      from present w
      join claims c on c.worker_id = w.id
      cross join unnest(c.task_ids) as u (task_id)
      cross join lateral (
        select t.execution_id, t.task_id, t.started_at from task_state t
        where t.task_id = u.task_id and t.claim_id = c.id and t.status = 'running' and t.started_at <= now()
        offset 0
      ) s
    ),
    shown as (
      select worker_id, total, json_build_object(
          'id', r.execution_id, 'task_id', r.task_id, 'task_name', t.name,
          'started_at', to_char(r.started_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        ) as execution, place
      from (select * from running where place <= ${PER_WORKER} order by place limit ${EXECUTIONS}) r
      join tasks t on t.id = r.task_id
    ),
    by_worker as (
      select worker_id, max(total) as total, json_agg(execution order by place) as executions
      from shown
      group by worker_id
    )
    select w.id, w.version, w.runtime, w.host, w.started_at, w.last_seen_at, w.last_tick_at, w.slots,
      coalesce(b.total, 0) as running, coalesce(b.executions, '[]') as executions
    from present w
    left join by_worker b on b.worker_id = w.id
    order by w.started_at, w.id`
}
