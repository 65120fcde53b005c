import { expect, test } from 'vitest';
import type { JsonObject } from '../../local/template/json.ts';
import { type Provisioned, planFrom } from '../../local/template/plan.ts';
import { type ResolveContext, resolve } from '../../local/template/resolve.ts';
import type { Stack } from '../../local/template/stacks.ts';
import { parseRate } from '../../local/template/triggers.ts';

const stackOf = (template: JsonObject, name = 'one'): Stack => ({ name, template });
const contextOf = (...stacks: Stack[]): ResolveContext => ({
  stacks,
  region: 'us-east-1',
  accountId: '000000000000',
  physical: new Map([['one/Queue', { ref: 'http://q', attributes: { Arn: 'arn:q' } }]]),
});

test.each([
  [{ Ref: 'Queue' }, 'http://q'],
  [{ 'Fn::GetAtt': ['Queue', 'Arn'] }, 'arn:q'],
  [{ 'Fn::GetAtt': 'Queue.Arn' }, 'arn:q'],
  [{ Ref: 'Role' }, 'local:Role'],
  [{ 'Fn::Join': ['-', ['a', { Ref: 'AWS::Region' }, { Ref: 'AWS::AccountId' }]] }, 'a-us-east-1-000000000000'],
  [{ 'Fn::Sub': `x/\${Queue}/\${Queue.Arn}/\${AWS::Partition}/\${!kept}` }, `x/http://q/arn:q/aws/\${kept}`],
  [{ 'Fn::Sub': [`\${own}`, { own: { Ref: 'Queue' } }] }, 'http://q'],
  [{ 'Fn::Select': [1, { 'Fn::Split': [',', 'a,b'] }] }, 'b'],
  [{ Ref: 'Level' }, 'info'],
  [{ 'Fn::If': ['IsInfo', 'yes', 'no'] }, 'yes'],
  [{ a: { Ref: 'AWS::NoValue' }, b: [1, { Ref: 'AWS::NoValue' }] }, { b: [1] }],
  [{ 'Fn::FindInMap': ['Sizes', 'small', 'cpu'] }, 256],
])('%j is resolved', (value, expected) => {
  const stack = stackOf({
    Parameters: { Level: { Type: 'String', Default: 'info' } },
    Conditions: { IsInfo: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'Level' }, 'debug'] }] } },
    Mappings: { Sizes: { small: { cpu: 256 } } },
  });
  expect(resolve(value as JsonObject, stack, contextOf(stack))).toEqual(expected);
});

test('an import takes the value of the other stack’s export', () => {
  const one = stackOf({
    Outputs: { O: { Value: { Ref: 'Queue' }, Export: { Name: { 'Fn::Sub': `\${AWS::StackName}:queue` } } } },
  });
  const two = stackOf({}, 'two');
  expect(resolve({ 'Fn::ImportValue': 'one:queue' }, two, contextOf(one, two))).toBe('http://q');
  expect(() => resolve({ 'Fn::ImportValue': 'absent' }, two, contextOf(one, two))).toThrow('No stack exports absent');
});

test('an unknown function is named', () => {
  expect(() => resolve({ 'Fn::Cidr': [] }, stackOf({}), contextOf())).toThrow('The template uses Fn::Cidr');
});

test.each([
  ['rate(1 minute)', 60_000],
  ['rate(5 minutes)', 300_000],
  ['rate(2 hours)', 7_200_000],
  ['rate(1 day)', 86_400_000],
  ['rate(0 minutes)', undefined],
  ['cron(0 3 * * ? *)', undefined],
])('%s', (expression, everyMs) => {
  expect(parseRate(expression)).toBe(everyMs);
});

const provisioned: Provisioned = {
  apiUrl: 'http://127.0.0.1:1',
  sqsUrl: 'http://127.0.0.1:2',
  region: 'us-east-1',
  accountId: '000000000000',
  queues: new Map([
    ['jobs.fifo', { url: 'http://real/jobs.fifo', arn: 'arn:aws:sqs:us-east-1:000000000000:jobs.fifo' }],
  ]),
  streams: new Map(),
};

test('a plan over two stacks: names, addresses, sources, notifications, routes', () => {
  const data = stackOf(
    {
      Resources: {
        Jobs: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'jobs.fifo', FifoQueue: true, KmsMasterKeyId: 'x' } },
        Unnamed: { Type: 'AWS::SQS::Queue', Properties: {} },
        Pages: { Type: 'AWS::S3::Bucket', Properties: { BucketName: { 'Fn::Sub': `pages-\${AWS::Region}` } } },
        Notify: {
          Type: 'Custom::S3BucketNotifications',
          Properties: {
            BucketName: { Ref: 'Pages' },
            NotificationConfiguration: {
              QueueConfigurations: [
                {
                  Events: ['s3:ObjectCreated:*'],
                  Filter: { Key: { FilterRules: [{ Name: 'suffix', Value: '.csv' }] } },
                  QueueArn: { 'Fn::GetAtt': ['Unnamed', 'Arn'] },
                },
              ],
            },
          },
        },
      },
      Outputs: { Jobs: { Value: { Ref: 'Jobs' }, Export: { Name: 'jobs' } } },
    },
    'data',
  );
  const service = stackOf(
    {
      Resources: {
        Fn: {
          Type: 'AWS::Lambda::Function',
          Properties: {
            FunctionName: 'fn',
            Handler: 'index.handler',
            Timeout: 7,
            Environment: { Variables: { QUEUE: { 'Fn::ImportValue': 'jobs' }, N: 5 } },
          },
          Metadata: { 'paceline:name': 'api', 'paceline:entry': 'functions/api/handler.ts' },
        },
        // Helpers of the CDK have no entry and do not run.
        Helper: { Type: 'AWS::Lambda::Function', Properties: { Code: { 'Fn::Unheard': 'of' } } },
        Role: { Type: 'AWS::IAM::Role', Properties: { X: { 'Fn::Unheard': 'of' } } },
        Every: {
          Type: 'AWS::Scheduler::Schedule',
          Properties: {
            ScheduleExpression: 'rate(1 minute)',
            Target: { Arn: { 'Fn::GetAtt': ['Fn', 'Arn'] }, Input: '{"a":1}' },
          },
        },
        Source: {
          Type: 'AWS::Lambda::EventSourceMapping',
          Properties: {
            FunctionName: { Ref: 'Fn' },
            EventSourceArn: { 'Fn::Sub': 'arn:aws:sqs:us-east-1:000000000000:jobs.fifo' },
            BatchSize: 5,
            FunctionResponseTypes: ['ReportBatchItemFailures'],
            ScalingConfig: { MaximumConcurrency: 2 },
          },
        },
        Integration: {
          Type: 'AWS::ApiGatewayV2::Integration',
          Properties: { IntegrationUri: { 'Fn::GetAtt': ['Fn', 'Arn'] } },
        },
        Route: {
          Type: 'AWS::ApiGatewayV2::Route',
          Properties: { RouteKey: 'GET /x', Target: { 'Fn::Join': ['', ['integrations/', { Ref: 'Integration' }]] } },
        },
      },
    },
    'service',
  );
  const plan = planFrom([data, service], provisioned);
  const arn = 'arn:aws:lambda:us-east-1:000000000000:function:fn';
  expect(plan.queues).toEqual([
    { name: 'jobs.fifo', attributes: { FifoQueue: 'true' }, redrive: undefined },
    { name: 'data-Unnamed', attributes: {}, redrive: undefined },
  ]);
  expect(plan.buckets).toEqual([
    {
      name: 'pages-us-east-1',
      cors: [],
      notifications: [
        {
          queueArn: 'arn:aws:sqs:us-east-1:000000000000:data-Unnamed',
          events: ['s3:ObjectCreated:*'],
          prefix: '',
          suffix: '.csv',
        },
      ],
    },
  ]);
  expect(plan.functions).toEqual([
    {
      name: 'api',
      arn,
      functionName: 'fn',
      entry: 'functions/api/handler.ts',
      handler: 'handler',
      timeoutMs: 7000,
      memoryMb: 128,
      environment: { QUEUE: 'http://real/jobs.fifo', N: '5' },
    },
  ]);
  expect(plan.queueSources).toEqual([
    {
      functionArn: arn,
      queueArn: 'arn:aws:sqs:us-east-1:000000000000:jobs.fifo',
      batchSize: 5,
      reportsFailures: true,
      maxConcurrency: 2,
      filters: [],
    },
  ]);
  expect(plan.schedules).toEqual([
    { name: 'Every', functionArn: arn, everyMs: 60_000, input: '{"a":1}', source: 'aws.scheduler' },
  ]);
  expect(plan.routes).toEqual([{ routeKey: 'GET /x', functionArn: arn, timeoutMs: 30_000 }]);
});
