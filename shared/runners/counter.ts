import * as z from 'zod'
import { success } from './outcome.ts'
import type { Runner } from './runner.ts'

const params = z.strictObject({
  count: z.int().default(0).describe('The current count. Each run adds one.'),
})

/** Adds one to the count in its task's params. */
export const counter: Runner<z.infer<typeof params>> = {
  about: "Adds one to the count in its task's params, exactly once for each run",
  params,
  async run() {
    return success({})
  },
  async commit(sql, taskIds) {
    const rows = await sql<{ id: number; count: number }[]>`
      update tasks
      set params = jsonb_set(params, '{count}', to_jsonb(coalesce((params ->> 'count')::bigint, 0) + 1))
      where id = any(${taskIds}::int[])
      returning id, (params ->> 'count')::bigint as count`
    return new Map(rows.map((row) => [row.id, { count: row.count }]))
  },
}
