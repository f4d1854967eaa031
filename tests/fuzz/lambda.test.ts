import { startLambda } from '../lambda/start.ts'
import { fuzzOther } from './fuzz-other.ts'

// Each function needs a process for each request that it serves at once.
fuzzOther('AWS Lambda', startLambda, { lanes: 2 })
