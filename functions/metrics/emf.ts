import { config } from '../../shared/config.ts'
import { schedulerDb } from '../../shared/db.ts'
import { Emf } from '../../shared/metrics/emf.ts'
import { processFamilies } from '../../shared/metrics/process.ts'
import { SharedValues } from '../../shared/metrics/shared-values.ts'
import { version } from '../../shared/version.ts'
import { counters, startedExecutor, watch } from '../program.ts'

const emf = /* @__PURE__ */ new Emf()
const shared = /* @__PURE__ */ new SharedValues(schedulerDb)

/** The CloudWatch namespace: the service and its stage. */
export const namespace = (): string => (config().executeFunctionName ?? '').replace(/-execute$/, '')

/**
 * On Lambda, writes what this environment has counted since the last call, for CloudWatch to read from the log.
 * `withDatabase` adds the values of the whole database, which one function is to report.
 */
export async function publishMetrics({ withDatabase }: { withDatabase: boolean }): Promise<void> {
  const { runtime, metricsEmf } = config()
  if (runtime !== 'lambda' || !metricsEmf) return
  const own = processFamilies({ counters, watch: watch(), executor: startedExecutor(), version, runtime })
  const lines = [
    // An environment's own gauges would describe it while it is idle.
    ...emf.lines(
      namespace(),
      own.filter(({ type }) => type !== 'gauge'),
    ),
    ...(withDatabase ? emf.lines(namespace(), await shared.families()) : []),
  ]
  for (const line of lines) process.stdout.write(`${line}\n`)
}
