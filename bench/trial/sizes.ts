import { asAdmin } from '../server/database.ts'
import type { Values } from './trial.ts'

/** Returns the total size of a database's tables and the total size of their indexes, in bytes. */
export async function readSizes(url: string): Promise<{ tables: number; indexes: number }> {
  return await asAdmin(url, async (admin) => {
    const [row] = await admin<[{ tables: number; indexes: number }]>`
      select coalesce(sum(pg_table_size(oid)), 0)::float8 as tables,
        coalesce(sum(pg_indexes_size(oid)), 0)::float8 as indexes
      from pg_class
      where relkind = 'r' and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`
    return row
  })
}

/** Returns the sizes in megabytes of the largest tables and indexes, keyed by name. */
export async function readLargest(url: string): Promise<Values> {
  const rows = await asAdmin(
    url,
    (admin) => admin<{ name: string; mb: number }[]>`
      select 'mb ' || oid::regclass::text as name, (pg_relation_size(oid) / 1e6)::float8 as mb
      from pg_class
      where relkind in ('r', 'i') and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      order by pg_relation_size(oid) desc
      limit 8`,
  )
  return Object.fromEntries(rows.map(({ name, mb }) => [name, mb]))
}
