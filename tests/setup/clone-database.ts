import { randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { inject } from 'vitest'
import { databaseUrl } from './database-url.ts'

type Clone = { url: string; drop(): Promise<void> }

/** Creates a migrated database. This file must not import from `shared/`, which would read the settings too early. */
export async function cloneDatabase(): Promise<Clone> {
  const { url: serverUrl, prefix, template } = inject('testDatabase')
  const name = `${prefix}_${randomBytes(6).toString('hex')}`
  await asAdmin(serverUrl, async (admin) => {
    await admin`create database ${admin(name)} template ${admin(template)}`
  })
  const drop = () =>
    asAdmin(serverUrl, async (admin) => {
      await admin`drop database if exists ${admin(name)} with (force)`
    })
  return { url: databaseUrl(serverUrl, name), drop }
}

async function asAdmin(url: string, work: (admin: Sql) => Promise<void>) {
  const admin = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}
