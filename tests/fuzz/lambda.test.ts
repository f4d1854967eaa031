import { startLambda } from '../lambda/start.ts'
import { fuzzOther } from './fuzz-other.ts'

// Each function needs one process per concurrent request.
fuzzOther('AWS Lambda', startLambda, { lanes: 2 })
