import type { Result } from './results.ts'
import type { Case, Row } from './rows/row.ts'
import type { Server } from './server/postgres.ts'
import type { SystemEntry } from './systems/catalogue.ts'
import type { Outcome } from './trial/trial.ts'

export type Plan = {
  server: Server
  systems: SystemEntry[]
  repetitions: number
  signal: AbortSignal
  tell(result: Result): void
}

/**
 * Runs every case of a row. Systems take turns (A B C, A B C), so a noisy minute affects all of them alike, and their
 * ratios stay valid. A system that failed or didn't finish in time isn't tried again: the result would be the same.
 */
export async function interleave(row: Row, cases: Case[], plan: Plan): Promise<Result[]> {
  const results: Result[] = []
  for (const each of cases) {
    const left = new Set(plan.systems.filter(({ name }) => each.only?.includes(name) ?? true))
    for (let repetition = 1; repetition <= plan.repetitions; repetition += 1) {
      for (const system of left) {
        if (plan.signal.aborted) return results
        const outcome = await attempt(each, { server: plan.server, system })
        const result = { row: row.name, case: each.name, system: system.name, repetition, ...outcome }
        if (outcome.note !== undefined) left.delete(system)
        results.push(result)
        plan.tell(result)
      }
    }
  }
  return results
}

/** Runs one trial. A failure is returned as an outcome, not thrown, so that the other trials continue. */
async function attempt(of: Case, trial: { server: Server; system: SystemEntry }): Promise<Outcome> {
  try {
    return await of.run(trial)
  } catch (error) {
    return {
      values: {},
      note: `failed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
    }
  }
}
