import { conformance } from '../conformance/conformance.ts'
import { startLambda } from './start.ts'

conformance('AWS Lambda', startLambda)
