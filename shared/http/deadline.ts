import type { Database, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'

/** When a request is answered, whatever it is at; `performance.now()`, in milliseconds. */
export type Deadline = {
  answerAt: number
  /** What begins by now is over by then: the server ends a statement in that time. */
  startsBy: number
}

/**
 * Returns the pool for one request, so that nothing goes on after its answer: from `startsBy` on no statement begins and no transaction
 * commits. What has committed by then may still be read, and told, until the answer. Throws `timeout` then.
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

/** The same pool or transaction, but that each statement, and each part of one, is checked first. */
function checked<T extends Queryable>(sql: T, check: () => void, own: Record<string, unknown> = {}): T {
  return new Proxy(sql, {
    apply(target, self, given) {
      check()
      return Reflect.apply(target, self, given)
    },
    get: (target, key) => (Object.hasOwn(own, key) ? own[String(key)] : Reflect.get(target, key)),
  })
}
