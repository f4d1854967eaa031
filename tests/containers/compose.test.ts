import { conformance } from '../conformance/conformance.ts'
import { startCompose } from './container.ts'

conformance('compose stack', startCompose)
