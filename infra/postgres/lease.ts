import postgres from 'postgres'

/** A process's use of the local server: a session with an advisory lock, which is released when the process dies. */
export type Lease = {
  /** Ends this use. Returns whether it was the last use. If so, no process can join the server anymore. */
  release(): Promise<boolean>
  end(): Promise<void>
}

const usedBy = 7_461_736_865

/** Registers this process as a user of the server. Returns null while the server is starting or shutting down. */
export async function takeLease(url: string): Promise<Lease | null> {
  // If the server stops during fetch_types' first query, postgres.js leaves a rejection that can't be caught.
  const quiet = { fetch_types: false, onnotice: () => {} }
  const sql = postgres(url, { max: 1, max_lifetime: null, connect_timeout: 5, ...quiet })
  const end = () => sql.end({ timeout: 0 })
  const taken = await tryLock(sql)
  if (taken === true) return { release: () => release(sql), end }
  await end()
  if (taken instanceof postgres.PostgresError && taken.code === wrongPassword) throw taken
  return null
}

async function tryLock(sql: postgres.Sql): Promise<unknown> {
  try {
    const [{ taken }] = await sql<
      [{ taken: boolean }]
    >`select pg_try_advisory_lock_shared(${usedBy}) as taken`
    return taken
  } catch (error) {
    return error
  }
}

const wrongPassword = '28P01'

async function release(sql: postgres.Sql): Promise<boolean> {
  try {
    await sql`select pg_advisory_unlock_shared(${usedBy})`
    const [{ alone }] = await sql<[{ alone: boolean }]>`select pg_try_advisory_lock(${usedBy}) as alone`
    return alone
  } catch {
    // The server has crashed, or the last process is stopping it. Another process may soon start a new server on the
    // same data, and this process must not stop the new server.
    return false
  }
}
