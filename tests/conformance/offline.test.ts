import { conformance } from './conformance.ts'
import { startProcess } from './runtime.ts'

const COMMAND = ['node_modules/serverless/bin/serverless.js', 'offline', 'start', '--lambdaPort', '0']

conformance('serverless offline', (env) => startProcess(COMMAND, { ...env, SLS_LOG_LEVEL: 'warning' }))
