import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { flatten, synthesize } from './synthesis.ts';

const { data, service } = synthesize({ stage: 'qa' });

const functions = [
  ['api', 'functions/api/handler.ts', 29, 1024],
  ['feed', 'functions/feed/handler.ts', 60, 512],
  ['feed-changes', 'functions/feed/changes.ts', 30, 256],
  ['import', 'functions/import/handler.ts', 900, 1024],
  ['sweep', 'functions/sweep/handler.ts', 50, 512],
] as const;

describe('functions', () => {
  test.each(functions)('%s runs %s on Node 24, arm64', (name, entry, timeout, memory) => {
    service.hasResource('AWS::Lambda::Function', {
      Metadata: Match.objectLike({ 'paceline:name': name, 'paceline:entry': entry }),
      Properties: Match.objectLike({
        FunctionName: `paceline-qa-${name}`,
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        Timeout: timeout,
        MemorySize: memory,
        Handler: 'index.handler',
      }),
    });
    service.hasResourceProperties('AWS::Logs::LogGroup', {
      LogGroupName: `/paceline/qa/${name}`,
      RetentionInDays: 30,
    });
  });

  test('the template names exactly these five for local mode', () => {
    const found = Object.values(service.findResources('AWS::Lambda::Function')).flatMap(
      (resource) => resource.Metadata?.['paceline:name'] ?? [],
    );
    expect(found.sort()).toEqual(['api', 'feed', 'feed-changes', 'import', 'sweep']);
  });

  test('each is told where things are', () => {
    for (const resource of Object.values(service.findResources('AWS::Lambda::Function'))) {
      if (resource.Metadata?.['paceline:name'] === undefined) continue;
      expect(resource.Properties.Environment.Variables).toMatchObject({
        STAGE: 'qa',
        LANE_PREFIX: 'paceline-qa-lane-',
        INBOX_PREFIX: 'paceline-qa-inbox-',
        LOG_LEVEL: 'info',
      });
      for (const name of ['TABLE_NAME', 'PAGES_BUCKET', 'AUTH_BUCKET', 'FEED_QUEUE_URL', 'LANE_DLQ_ARN']) {
        expect(resource.Properties.Environment.Variables, name).toHaveProperty(name);
      }
    }
  });
});

describe('sources', () => {
  const sourceOf = (name: string) => {
    const [id] = Object.keys(
      service.findResources('AWS::Lambda::Function', { Properties: { FunctionName: `paceline-qa-${name}` } }),
    );
    const mappings = service.findResources('AWS::Lambda::EventSourceMapping', {
      Properties: { FunctionName: { Ref: id } },
    });
    expect(Object.keys(mappings)).toHaveLength(1);
    return Object.values(mappings)[0]?.Properties;
  };

  test('feed takes ten requests at a time, four batches at once, and fails them one by one', () => {
    expect(sourceOf('feed')).toMatchObject({
      BatchSize: 10,
      ScalingConfig: { MaximumConcurrency: 4 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });

  test('import takes one upload at a time', () => {
    expect(sourceOf('import')).toMatchObject({
      BatchSize: 1,
      ScalingConfig: { MaximumConcurrency: 2 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });

  test('feed-changes reads the stream from its start, contracts only, and parks what keeps failing', () => {
    const source = sourceOf('feed-changes');
    expect(source).toMatchObject({
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 100,
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 5,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    expect(JSON.parse(source.FilterCriteria.Filters[0].Pattern)).toEqual({
      eventName: ['INSERT', 'MODIFY'],
      dynamodb: { NewImage: { type: { S: ['contract'] } } },
    });
    const parkedIn = String(source.DestinationConfig.OnFailure.Destination['Fn::GetAtt'][0]);
    // A stream's failure destination cannot be FIFO.
    expect(service.toJSON().Resources[parkedIn].Properties).toMatchObject({
      QueueName: 'paceline-qa-feed-changes-dlq',
    });
    expect(service.toJSON().Resources[parkedIn].Properties).not.toHaveProperty('FifoQueue');
  });

  test('sweep comes every minute and is not repeated', () => {
    service.hasResourceProperties('AWS::Events::Rule', {
      Name: 'paceline-qa-sweep',
      ScheduleExpression: 'rate(1 minute)',
      Targets: [Match.objectLike({ RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } })],
    });
    service.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 0 });
  });
});

describe('queues', () => {
  test('the feed queue keeps order within an account and all accounts apart', () => {
    service.hasResourceProperties('AWS::SQS::Queue', {
      QueueName: 'paceline-qa-feed.fifo',
      FifoQueue: true,
      ContentBasedDeduplication: false,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
      VisibilityTimeout: 90,
      RedrivePolicy: { maxReceiveCount: 5, deadLetterTargetArn: Match.anyValue() },
    });
    service.hasResourceProperties('AWS::SQS::Queue', { QueueName: 'paceline-qa-feed-dlq.fifo', FifoQueue: true });
  });

  test('every queue is encrypted and refuses everything that does not come over TLS', () => {
    for (const template of [data, service]) {
      const queues = Object.keys(template.findResources('AWS::SQS::Queue'));
      expect(queues).toHaveLength(3);
      template.allResourcesProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
      const protectedQueues = Object.values(template.findResources('AWS::SQS::QueuePolicy'))
        .filter((policy) =>
          policy.Properties.PolicyDocument.Statement.some(
            (one: { Effect: string; Condition?: unknown }) =>
              one.Effect === 'Deny' && JSON.stringify(one.Condition) === '{"Bool":{"aws:SecureTransport":"false"}}',
          ),
        )
        .map((policy) => policy.Properties.Queues[0].Ref);
      expect(protectedQueues.sort()).toEqual(queues.sort());
    }
  });
});

describe('the HTTP API', () => {
  test('sends every request to the api function', () => {
    service.resourceCountIs('AWS::ApiGatewayV2::Route', 1);
    service.hasResourceProperties('AWS::ApiGatewayV2::Route', { RouteKey: '$default' });
    service.hasResourceProperties('AWS::ApiGatewayV2::Integration', {
      IntegrationType: 'AWS_PROXY',
      PayloadFormatVersion: '2.0',
    });
  });

  test('is throttled and logged without paths, which can hold phone numbers', () => {
    const [stage] = Object.values(service.findResources('AWS::ApiGatewayV2::Stage'));
    expect(stage?.Properties).toMatchObject({
      StageName: '$default',
      AutoDeploy: true,
      DefaultRouteSettings: { ThrottlingRateLimit: 200, ThrottlingBurstLimit: 400 },
    });
    const format = JSON.parse(stage?.Properties.AccessLogSettings.Format);
    expect(Object.keys(format)).toEqual(['requestId', 'time', 'ip', 'method', 'status', 'bytes', 'latencyMs', 'error']);
  });
});

describe('alarms', () => {
  test('each leads to a section of the runbook', () => {
    const links = [data, service].flatMap((template) =>
      Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties: alarm }) => [
        alarm.AlarmName,
        /What to do: docs\/runbook\.md#([a-z]+)$/.exec(alarm.AlarmDescription)?.[1],
      ]),
    );
    expect(Object.fromEntries(links)).toEqual({
      'paceline-qa-lane-dead-letters': 'send',
      'paceline-qa-no-host': 'send',
      'paceline-qa-api-errors': 'api',
      'paceline-qa-feed-errors': 'feed',
      'paceline-qa-feed-dead-letters': 'feed',
      'paceline-qa-feed-changes-errors': 'feed',
      'paceline-qa-feed-changes-dead-letters': 'feed',
      'paceline-qa-feed-iterator-age': 'feed',
      'paceline-qa-import-errors': 'import',
      'paceline-qa-import-dead-letters': 'import',
      'paceline-qa-sweep-errors': 'sweep',
    });
  });

  test('notify the given topic', () => {
    const topic = 'arn:aws:sns:eu-central-1:123456789012:pager';
    const told = synthesize({ stage: 'qa', alarmTopicArn: topic });
    told.data.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic] });
    told.service.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic] });
  });
});

test('the outputs say where the API, the table and the hosts are', () => {
  const outputs = Object.fromEntries(
    Object.entries(service.findOutputs('*')).map(([name, output]) => [name, flatten(output.Value)]),
  );
  expect(Object.keys(outputs).sort()).toEqual(['ApiUrl', 'HostCluster', 'HostService', 'TableName']);
});
