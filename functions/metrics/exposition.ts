import { config } from '../../shared/config.ts'
import { probeDb } from '../../shared/db.ts'
import type { Exposition } from '../../shared/metrics/exposition.ts'
import { processFamilies } from '../../shared/metrics/process.ts'
import { SharedValues } from '../../shared/metrics/shared-values.ts'
import { version } from '../../shared/version.ts'
import { counters, startedExecutor, watch } from '../program.ts'

let loaded: Promise<Exposition> | undefined

const shared = /* @__PURE__ */ new SharedValues(probeDb)

/** Returns this process's metrics in Prometheus' text format. Takes about two seconds if the database is silent. */
export async function metricsText(): Promise<{ text: string; contentType: string }> {
  loaded ??= load()
  const exposition = await loaded
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

/** Imports the client lazily: a process that nobody scrapes doesn't need it. */
async function load(): Promise<Exposition> {
  const { Exposition } = await import('../../shared/metrics/exposition.ts')
  return new Exposition()
}
