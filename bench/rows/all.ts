import { backlog } from './backlog.ts'
import { drain } from './drain.ts'
import { fairness } from './fairness.ts'
import { herd } from './herd.ts'
import { http } from './http.ts'
import { idle } from './idle.ts'
import { lateness, latenessRecurring } from './lateness.ts'
import { memory } from './memory.ts'
import { million } from './million.ts'
import { processes } from './processes.ts'
import { recurring } from './recurring.ts'
import type { Row } from './row.ts'
import { start } from './start.ts'

export const rows: Row[] = [
  drain,
  recurring,
  lateness,
  latenessRecurring,
  herd,
  fairness,
  backlog,
  idle,
  start,
  memory,
  http,
  processes,
  million,
]
