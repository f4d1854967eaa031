import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readService } from '../../infra/service/service.ts'
import { settingsReadBy } from '../../shared/config.ts'
import { circle, dangling } from './references.ts'
import { complaints } from './specification.ts'
import { ROOT } from './start.ts'
import { readTemplate, resourcesOf, type Template } from './template.ts'

const SERVICE = 'task-scheduler-dev'

let template: Template

beforeAll(async () => {
  template = await readTemplate(ROOT)
})

/** Returns an ARN in this account, as an `Fn::Sub`. */
const arn = (service: string, resource: string) => ({
  'Fn::Sub': `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`,
})

const propertiesOf = (name: string) => template.Resources[name]?.Properties

test('CloudFormation would accept the template', () => {
  expect(complaints(template)).toEqual([])
  expect(dangling(template)).toEqual([])
  expect(circle(template)).toEqual([])
})

test('every function matches serverless.yml and runs on arm64 and Node 24 in the VPC', async () => {
  const { functions } = await readService(fileURLToPath(new URL('serverless.yml', ROOT)))
  const deployed = Object.fromEntries(
    resourcesOf(template, 'AWS::Lambda::Function').map(([, it]) => [it.FunctionName, it]),
  )
  expect(Object.keys(deployed)).toHaveLength(functions.length)
  for (const { name, file, timeoutSeconds, memoryMb } of functions) {
    expect(deployed[`${SERVICE}-${name}`]).toMatchObject({
      Handler: file.replace(/ts$/, 'handler'),
      Timeout: timeoutSeconds,
      MemorySize: memoryMb,
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      VpcConfig: {
        SecurityGroupIds: [{ Ref: 'SecurityGroupId' }],
        SubnetIds: [{ 'Fn::Select': [0, { Ref: 'SubnetIds' }] }, { 'Fn::Select': [1, { Ref: 'SubnetIds' }] }],
      },
    })
  }
  const keys = resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(([, route]) => route.RouteKey)
  expect(keys.sort()).toEqual(functions.flatMap((fn) => fn.routes.map((route) => route.key)).sort())
})

test('every function and the API have a log group with a retention of 30 days', () => {
  const groups = resourcesOf(template, 'AWS::Logs::LogGroup').map(([, group]) => group)
  const names = resourcesOf(template, 'AWS::Lambda::Function').map(
    ([, fn]) => `/aws/lambda/${fn.FunctionName}`,
  )
  expect(groups.map((group) => group.LogGroupName).sort()).toEqual(
    [...names, `/aws/http-api/${SERVICE}`].sort(),
  )
  expect(new Set(groups.map((group) => group.RetentionInDays))).toEqual(new Set([30]))
})

const WITHOUT_KEY = ['tick', 'execute', 'migrate']
const WITHOUT_DATABASE = ['health', 'openapi', 'dashboard', 'docs', 'notFound']

test('functions get references to the secrets that they need', () => {
  const secret = (key: string) => `{{resolve:secretsmanager:task-scheduler/dev:SecretString:${key}}}`
  for (const [, { FunctionName, Environment }] of resourcesOf(template, 'AWS::Lambda::Function')) {
    const name = FunctionName.replace(`${SERVICE}-`, '')
    expect({ name, ...Environment.Variables }).toEqual({
      name,
      EXECUTE_FUNCTION_NAME: `${SERVICE}-execute`,
      DATABASE_URL: WITHOUT_DATABASE.includes(name) ? '' : secret('DATABASE_URL'),
      API_KEY: WITHOUT_KEY.includes(name) ? '' : secret('API_KEY'),
      DATABASE_POOL_SIZE: '1',
      MAX_CONCURRENT_EXECUTIONS: '64',
      NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
      NODE_OPTIONS: '--enable-source-maps',
    })
  }
})

test('the API logs every request, and has a single rate limit that all clients share', () => {
  const [stage] = resourcesOf(template, 'AWS::ApiGatewayV2::Stage')
  expect(stage?.[1]).toMatchObject({
    AccessLogSettings: {
      DestinationArn: { 'Fn::GetAtt': ['HttpApiLogGroup', 'Arn'] },
      Format: expect.stringContaining('"status":"$context.status"'),
    },
    DefaultRouteSettings: { ThrottlingRateLimit: 100, ThrottlingBurstLimit: 200 },
  })
})

test('CloudFormation would accept the example firewall', async () => {
  const path = new URL('examples/aws/firewall.yml', ROOT)
  // The cast is safe: `complaints` reports resources that aren't as declared.
  const firewall = parse(await readFile(path, 'utf8')) as Template
  expect(complaints(firewall)).toEqual([])
  expect(dangling(firewall)).toEqual([])
  expect(circle(firewall)).toEqual([])
})

/** The variables that have a value even if no parameter is given. */
const DEPLOYED = [
  ...['EXECUTE_FUNCTION_NAME', 'DATABASE_URL', 'API_KEY', 'DATABASE_POOL_SIZE', 'MAX_CONCURRENT_EXECUTIONS'],
  ...['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'],
]

test('every setting that functions read and that is not set elsewhere can be set with a parameter', async () => {
  const names = settingsReadBy('functions').filter((name) => !DEPLOYED.includes(name))
  const wanted = Object.fromEntries(names.map((name, index) => [name, String(index + 1)]))
  const params = Object.entries(wanted).map(([name, value]) => `--param=${name}=${value}`)
  const { PATH = '', HOME = '' } = process.env
  const print = ['node_modules/serverless/bin/serverless.js', 'print', '--format', 'json', ...params]
  const { stdout } = await promisify(execFile)(process.execPath, print, {
    cwd: fileURLToPath(ROOT),
    env: { PATH, HOME },
  })
  expect(JSON.parse(stdout).provider.environment).toMatchObject(wanted)
})

test('every function has the role that it needs', () => {
  const functions = resourcesOf(template, 'AWS::Lambda::Function').map(([, fn]): [string, string] => [
    fn.FunctionName.replace(`${SERVICE}-`, ''),
    fn.Role['Fn::GetAtt'][0],
  ])
  const special = functions.filter(([, role]) => role !== 'ApiRole')
  expect(Object.fromEntries(special)).toEqual({
    runTask: 'StartRole',
    runTaskByName: 'StartRole',
    rerunExecution: 'StartRole',
    tick: 'TickRole',
    execute: 'ExecuteRole',
  })
})

const base = [{ Ref: 'LogsPolicy' }, { Ref: 'NetworkPolicy' }]
const invoke = (name: string) => ({
  Effect: 'Allow',
  Action: 'lambda:InvokeFunction',
  Resource: arn('lambda', `function:${SERVICE}-${name}`),
})

test('roles grant exactly the expected permissions', () => {
  const roles = resourcesOf(template, 'AWS::IAM::Role').map(([name, role]) => [
    name,
    role.AssumeRolePolicyDocument.Statement,
    role.ManagedPolicyArns,
    (role.Policies ?? []).flatMap((policy) => policy.PolicyDocument.Statement),
  ])
  const by = (principal: string, condition = {}) => [
    { Effect: 'Allow', Principal: { Service: principal }, Action: 'sts:AssumeRole', ...condition },
  ]
  const lambda = by('lambda.amazonaws.com')
  const account = { Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } } }
  const report = {
    Effect: 'Allow',
    Action: 'sqs:SendMessage',
    Resource: { 'Fn::GetAtt': ['FailedExecutes', 'Arn'] },
  }
  expect(roles).toEqual([
    ['ApiRole', lambda, base, []],
    ['StartRole', lambda, base, [invoke('execute')]],
    ['TickRole', lambda, base, [invoke('execute')]],
    ['ExecuteRole', lambda, base, [report]],
    ['ScheduleRole', by('scheduler.amazonaws.com', account), undefined, [invoke('tick')]],
  ])
})

test('policies use wildcards only where AWS requires them', () => {
  const network = [
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ]
  const ours = { ArnLike: { 'lambda:SourceFunctionArn': arn('lambda', `function:${SERVICE}-*`) } }
  const policies = resourcesOf(template, 'AWS::IAM::ManagedPolicy').map(([name, policy]) => [
    name,
    policy.PolicyDocument.Statement,
  ])
  expect(Object.fromEntries(policies)).toEqual({
    LogsPolicy: [
      {
        Effect: 'Allow',
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: arn('logs', `log-group:/aws/lambda/${SERVICE}-*:*`),
      },
    ],
    NetworkPolicy: [
      { Effect: 'Allow', Action: network, Resource: '*' },
      { Effect: 'Deny', Action: network, Resource: '*', Condition: ours },
    ],
  })
})

test('the tick is invoked every minute, never twice at once, and loops for just under a minute', () => {
  expect(propertiesOf('TickSchedulerSchedule1')).toEqual({
    ScheduleExpression: 'rate(1 minute)',
    State: 'ENABLED',
    FlexibleTimeWindow: { Mode: 'OFF' },
    Target: {
      Arn: { 'Fn::GetAtt': ['TickLambdaFunction', 'Arn'] },
      RoleArn: { 'Fn::GetAtt': ['ScheduleRole', 'Arn'] },
      Input: '{"loopSeconds":59}',
    },
  })
  expect(propertiesOf('TickLambdaFunction')).toMatchObject({ ReservedConcurrentExecutions: 1, Timeout: 90 })
})

test('async invocations expire after a minute and are not retried; failed execute invocations are reported', () => {
  const once = { Qualifier: '$LATEST', MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 }
  const OnFailure = { Destination: { 'Fn::GetAtt': ['FailedExecutes', 'Arn'] } }
  expect(resourcesOf(template, 'AWS::Lambda::EventInvokeConfig').map(([, it]) => it)).toEqual([
    { FunctionName: { Ref: 'TickLambdaFunction' }, DestinationConfig: {}, ...once },
    { FunctionName: { Ref: 'ExecuteLambdaFunction' }, DestinationConfig: { OnFailure }, ...once },
  ])
})

test('all three alarms notify the alarm topic', () => {
  const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm')
  expect(alarms.map(([name]) => name).sort()).toEqual(['ExecuteFailed', 'StartsLate', 'TickMissing'])
  for (const [, alarm] of alarms) expect(alarm.AlarmActions).toEqual([{ Ref: 'AlarmTopic' }])
  expect(propertiesOf('TickMissing')).toMatchObject({ TreatMissingData: 'breaching' })
  const metric = resourcesOf(template, 'AWS::Logs::MetricFilter').map(([, it]) => it.MetricTransformations[0])
  expect(metric.map(({ MetricNamespace: Namespace, MetricName }) => ({ Namespace, MetricName }))).toEqual([
    { Namespace: 'task-scheduler', MetricName: 'dev-lateness' },
  ])
  expect(propertiesOf('StartsLate')).toMatchObject({
    Namespace: 'task-scheduler',
    MetricName: 'dev-lateness',
  })
})
