import { config } from '../../shared/config.ts'
import { probeDb } from '../../shared/db.ts'
import { Exposition } from '../../shared/metrics/exposition.ts'
import { processFamilies } from '../../shared/metrics/process.ts'
import { SharedValues } from '../../shared/metrics/shared-values.ts'
import { version } from '../../shared/version.ts'
import { counters, startedExecutor, watch } from '../program.ts'

let exposition: Exposition | undefined

const shared = /* @__PURE__ */ new SharedValues(probeDb)

/** Returns this process's metrics in Prometheus' text format. Takes about two seconds if the database is silent. */
export async function metricsText(): Promise<{ text: string; contentType: string }> {
  exposition ??= new Exposition()
  const own = processFamilies({
    counters,
    watch: watch(),
    executor: startedExecutor(),
    version,
    runtime: config().runtime,
  })
  const text = await exposition.text([...own, ...(await shared.families())])
  return { text, contentType: exposition.contentType }
}
