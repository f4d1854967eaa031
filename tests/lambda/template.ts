import { readFile } from 'node:fs/promises'

type Resource = { Type: string; Properties?: object }

export type Template = {
  Resources: Record<string, Resource>
  Parameters: Record<string, object>
  Outputs: Record<string, object>
}

/** The properties that these tests read, by resource type. */
type Read = {
  'AWS::Lambda::Function': {
    FunctionName: string
    Handler: string
    Runtime: string
    Timeout: number
    MemorySize: number
    ReservedConcurrentExecutions?: number
    Environment: { Variables: Record<string, string> }
    Code: { S3Key: string }
    Role: { 'Fn::GetAtt': [string, string] }
  }
  'AWS::Lambda::EventInvokeConfig': object
  'AWS::Scheduler::Schedule': { Target: { Arn: { 'Fn::GetAtt': [string, string] }; Input: string } }
  'AWS::ApiGatewayV2::Route': { RouteKey: string }
  'AWS::ApiGatewayV2::Stage': object
  'AWS::Logs::LogGroup': { LogGroupName: string; RetentionInDays: number }
  'AWS::Logs::MetricFilter': { MetricTransformations: [{ MetricNamespace: string; MetricName: string }] }
  'AWS::CloudWatch::Alarm': { AlarmActions: object[] }
  'AWS::IAM::ManagedPolicy': { PolicyDocument: Policy }
  'AWS::IAM::Role': {
    AssumeRolePolicyDocument: Policy
    ManagedPolicyArns?: object[]
    Policies?: { PolicyDocument: Policy }[]
  }
}

type Policy = { Statement: object[] }

export type FunctionProperties = Read['AWS::Lambda::Function']

/** Reads the template that `npm run package` rendered. */
export async function readTemplate(root: URL): Promise<Template> {
  const path = new URL('.serverless/cloudformation-template-update-stack.json', root)
  // The cast is safe: the Serverless Framework wrote the file.
  return JSON.parse(await readFile(path, 'utf8')) as Template
}

/** Returns all resources of a type. The cast is safe: another test checks properties against AWS's specification. */
export const resourcesOf = <Type extends keyof Read>(
  template: Template,
  type: Type,
): [string, Read[Type]][] =>
  Object.entries(template.Resources)
    .filter(([, resource]) => resource.Type === type)
    .map(([name, resource]) => [name, resource.Properties as Read[Type]])
