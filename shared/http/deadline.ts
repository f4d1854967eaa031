import type { Database, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'

/** When the request must be answered: `performance.now()`, in milliseconds. */
export type Deadline = {
  answerAt: number
  /** A statement that begins by then is over by `answerAt`, since the server ends it. */
  startsBy: number
}

/**
 * Returns the pool as one request may use it, so that nothing goes on after its answer. After `startsBy` no statement
 * begins and no transaction commits; what has been committed may still be read until the answer. Throws `timeout`.
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

/** Returns the same pool or transaction, with a check before each statement and each part of one. */
function checked<T extends Queryable>(sql: T, check: () => void, own: Record<string, unknown> = {}): T {
  return new Proxy(sql, {
    apply(target, self, given) {
      check()
      return Reflect.apply(target, self, given)
    },
    get: (target, key) => (Object.hasOwn(own, key) ? own[String(key)] : Reflect.get(target, key)),
  })
}
