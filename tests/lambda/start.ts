import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'
import { createApp } from '../../infra/container/adapter.ts'
import { listen } from '../../infra/container/server.ts'
import type { LambdaHandler } from '../../infra/service/handlers.ts'
import { readService } from '../../infra/service/service.ts'
import { settingsReadBy } from '../../shared/config.ts'
import type { Runtime } from '../conformance/runtime.ts'
import { Lambda, type LambdaFunction } from './lambda.ts'
import { type FunctionProperties, readTemplate, resourcesOf, type Template } from './template.ts'

export const ROOT = new URL('../../', import.meta.url)

const ANYWHERE = { host: '127.0.0.1', port: 0 }

/** These times are shorter than on AWS, where EventBridge invokes the tick every minute with `loopSeconds: 59`. */
const PERIOD_MS = 3000
const LOOP_SECONDS = 2.5

type Deployed = { lambda: Lambda; template: Template; url: string; end(): Promise<void> }

/**
 * Starts the packaged functions as AWS would: an HTTP API calls them, and they call each other through the Invoke API.
 * Variables in `env`, such as secrets from Secrets Manager, are added to the template's variables, or override them.
 */
export async function deploy(env: Record<string, string>): Promise<Deployed> {
  const folder = await mkdtemp(join(tmpdir(), 'task-scheduler-lambda-'))
  const template = await readTemplate(ROOT)
  const invokeApi = await listen((request, response) => void serveInvoke(lambda, request, response), ANYWHERE)
  const functions = await unpackAll(template, folder, { ...env, AWS_ENDPOINT_URL_LAMBDA: invokeApi.url })
  const lambda = new Lambda(functions)
  const front = await listen(await createFront(lambda), ANYWHERE)
  return {
    lambda,
    template,
    url: front.url,
    async end() {
      await lambda.end()
      await front.close(0)
      await invokeApi.close(0)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Starts the deployment and the tick's schedule, for the conformance suite. */
export async function startLambda(env: Record<string, string>): Promise<Runtime> {
  const { lambda, template, url, end } = await deploy(env)
  const schedule = startSchedule(template, lambda)
  return {
    url,
    finishes: true,
    log: () => lambda.log(),
    // Has the same effect as removing a stack: the schedule stops, and running invocations finish, since Lambda can't
    // stop them.
    async stop() {
      await schedule.stop()
      await lambda.idle()
      report(lambda)
      return lambda.failures.length
    },
    async kill() {
      void schedule.stop()
      await end()
    },
  }
}

/** Serves the part of Lambda's Invoke API that the product uses. */
async function serveInvoke(
  lambda: Lambda,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, name = ''] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '') ?? []
  const isEvent = request.headers['x-amz-invocation-type'] === 'Event'
  if (!isEvent || !lambda.has(name)) return void response.writeHead(404).end('{}')
  lambda.invokeLater(name, await json(request))
  response.writeHead(202).end()
}

async function createFront(lambda: Lambda) {
  const service = await readService(fileURLToPath(new URL('serverless.yml', ROOT)))
  const handlers = service.functions.map((fn): [string, LambdaHandler] => [
    fn.name,
    (event, { awsRequestId }) => lambda.invoke(`${service.name}-dev-${fn.name}`, event, awsRequestId),
  ])
  const onError = (error: unknown, name: string) => console.error(name, error)
  return createApp(service, Object.fromEntries(handlers), { onError })
}

/** Invokes the tick once per period, one invocation at a time. On AWS, too, a second invocation has to wait. */
function startSchedule(template: Template, lambda: Lambda): { stop(): Promise<void> } {
  const { Target } = only(resourcesOf(template, 'AWS::Scheduler::Schedule'))
  const [target] = Target.Arn['Fn::GetAtt']
  const functions = resourcesOf(template, 'AWS::Lambda::Function')
  const { FunctionName: name } = only(functions.filter(([logicalId]) => logicalId === target))
  const event = { ...JSON.parse(Target.Input), loopSeconds: LOOP_SECONDS }
  const ended = new AbortController()
  const run = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const next = performance.now() + PERIOD_MS
      await lambda.invoke(name, event).catch((error: Error) => lambda.failures.push(error.message))
      await wait(Math.max(0, next - performance.now()), undefined, { signal: ended.signal }).catch(() => {})
    }
  }
  const running = run()
  return {
    stop() {
      ended.abort()
      return running
    },
  }
}

function only<T>([first, ...others]: [string, T][]): T {
  if (first === undefined || others.length > 0)
    throw new Error('expected exactly one such resource in the template')
  return first[1]
}

async function unpackAll(
  template: Template,
  folder: string,
  env: Record<string, string>,
): Promise<LambdaFunction[]> {
  const functions = resourcesOf(template, 'AWS::Lambda::Function')
  return await Promise.all(functions.map(([, properties]) => unpack(properties, folder, env)))
}

async function unpack(
  fn: FunctionProperties,
  root: string,
  env: Record<string, string>,
): Promise<LambdaFunction> {
  const folder = join(root, fn.FunctionName)
  const zip = new URL(`.serverless/${basename(fn.Code.S3Key)}`, ROOT)
  for (const [path, content] of Object.entries(unzipSync(await readFile(zip)))) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return {
    name: fn.FunctionName,
    folder,
    handler: fn.Handler,
    timeoutSeconds: fn.Timeout,
    env: environmentOf(fn, env),
    reservedConcurrency: fn.ReservedConcurrentExecutions,
  }
}

/**
 * Returns the variables from the template, from Lambda and from `env`, except for settings that no function reads. If
 * the template sets a variable to '', it stays empty. NODE_EXTRA_CA_CERTS is omitted, because only Lambda has that
 * file.
 */
function environmentOf(fn: FunctionProperties, env: Record<string, string>): Record<string, string> {
  const { NODE_EXTRA_CA_CERTS, ...variables } = fn.Environment.Variables
  const given = Object.entries(env).filter(
    ([key]) => !settingsReadBy('process').includes(key) && variables[key] !== '',
  )
  return {
    PATH: process.env.PATH ?? '',
    TZ: ':UTC',
    ...variables,
    ...Object.fromEntries(given),
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_EXECUTION_ENV: `AWS_Lambda_${fn.Runtime}`,
    AWS_LAMBDA_FUNCTION_NAME: fn.FunctionName,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(fn.MemorySize),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${fn.FunctionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'test',
  }
}

function report({ initMs }: Lambda): void {
  const sorted = initMs.map(Math.round).toSorted((a, b) => a - b)
  console.log(
    `lambda: ${sorted.length} cold starts, ${sorted[0]} to ${sorted.at(-1)} ms, median ${sorted[sorted.length >> 1]}`,
  )
}
