import { conformance } from './conformance.ts'
import { startProcess } from './runtime.ts'

conformance('container', (env) => startProcess(['infra/container/main.ts'], env))
