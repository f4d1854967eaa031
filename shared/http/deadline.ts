import type { Database, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'

/** The time limits of a request, on this process's monotonic clock (`performance.now()`, milliseconds). */
export type Deadline = {
  /** The time by which the response must be sent. */
  answerAt: number
  /** The latest time at which a statement may start, so that the server's timeout cancels it by `answerAt`. */
  startsBy: number
}

/**
 * Wraps the pool for one request, so that no work continues after the response. After `startsBy`, no statement starts
 * and no transaction commits. Once a transaction has committed, statements may start until `answerAt`, so that its
 * result can be read. Throws `timeout`.
 */
export function withDeadline(sql: Database, { answerAt, startsBy }: Deadline): Database {
  let until = startsBy
  const check = (): void => {
    if (performance.now() >= until) throw new AppError('timeout', 'the request took too long')
  }
  const begin = async (...given: unknown[]): Promise<unknown> => {
    const work = given.pop() as (tx: Queryable) => unknown
    check()
    const result = await Reflect.apply(sql.begin as () => unknown, sql, [
      ...given,
      async (tx: Queryable) => {
        const done = await work(checked(tx, check))
        check()
        return done
      },
    ])
    until = answerAt
    return result
  }
  return checked(sql, check, { begin })
}

/** Returns the same pool or transaction, with a check before each statement and each fragment. */
function checked<T extends Queryable>(sql: T, check: () => void, own: Record<string, unknown> = {}): T {
  return new Proxy(sql, {
    apply(target, self, given) {
      check()
      return Reflect.apply(target, self, given)
    },
    get: (target, key) => (Object.hasOwn(own, key) ? own[String(key)] : Reflect.get(target, key)),
  })
}
