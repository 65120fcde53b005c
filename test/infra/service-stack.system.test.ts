import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { passesFilters } from '../../local/sources/filter.ts';
import { flatten, synthesize } from './synthesis.ts';

const { data, service } = synthesize({ stage: 'qa' });

const functions = [
  ['api', 'functions/api/handler.ts', 29, 1024],
  ['feed', 'functions/feed/handler.ts', 60, 512],
  ['feed-changes', 'functions/feed/changes.ts', 30, 256],
  ['events', 'functions/events/handler.ts', 60, 512],
  ['webhook', 'functions/webhook/handler.ts', 60, 512],
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
        // Lambda's own lines about each invocation would cost more than the invocation.
        LoggingConfig: Match.objectLike({ LogFormat: 'JSON', SystemLogLevel: 'WARN', ApplicationLogLevel: 'DEBUG' }),
      }),
    });
    service.hasResourceProperties('AWS::Logs::LogGroup', {
      LogGroupName: `/paceline/qa/${name}`,
      RetentionInDays: 30,
    });
  });

  test('the template names exactly these for local mode', () => {
    const found = Object.values(service.findResources('AWS::Lambda::Function')).flatMap(
      (resource) => resource.Metadata?.['paceline:name'] ?? [],
    );
    expect(found.sort()).toEqual(functions.map(([name]) => name).sort());
  });

  test('a deployment replaces the feed before the API, whose contracts it must understand', () => {
    const of = (name: string) =>
      Object.entries(service.findResources('AWS::Lambda::Function')).find(
        ([, resource]) => resource.Metadata?.['paceline:name'] === name,
      );
    const [feedId] = of('feed') ?? [];
    const [, api] = of('api') ?? [];
    expect(api?.DependsOn).toContain(feedId);
  });

  test('each is told where things are', () => {
    for (const resource of Object.values(service.findResources('AWS::Lambda::Function'))) {
      if (resource.Metadata?.['paceline:name'] === undefined) continue;
      expect(resource.Properties.Environment.Variables).toMatchObject({
        STAGE: 'qa',
        LANE_PREFIX: 'paceline-qa-lane-',
        WAKE_QUEUE_PREFIX: 'paceline-qa-inbox-',
        LOG_LEVEL: 'info',
        POWERTOOLS_METRICS_NAMESPACE: 'Paceline/qa',
      });
      for (const name of [
        'TABLE_NAME',
        'PAGES_BUCKET',
        'AUTH_BUCKET',
        'FEED_QUEUE_URL',
        'WEBHOOK_QUEUE_URL',
        'WEBHOOK_LATER_QUEUE_URL',
        'IMPORT_QUEUE_URL',
        'LANE_DLQ_ARN',
      ]) {
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

  test('events reads the stream too, only what is told, and gives up nothing that may be over in hours', () => {
    const source = sourceOf('events');
    expect(source).toMatchObject({
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 200,
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 100,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    const patterns: string[] = source.FilterCriteria.Filters.map(({ Pattern }: { Pattern: string }) => Pattern);
    const passes = (eventName: string, image: Record<string, string>) => {
      const side = eventName === 'REMOVE' ? 'OldImage' : 'NewImage';
      const attributes = Object.fromEntries(Object.entries(image).map(([name, S]) => [name, { S }]));
      return passesFilters(patterns, { eventName, dynamodb: { [side]: attributes } });
    };
    for (const type of ['account', 'contract', 'inboundBatch', 'suppression', 'endpoint']) {
      expect([type, passes('INSERT', { type }), passes('MODIFY', { type })]).toEqual([type, true, true]);
    }
    for (const state of ['QUEUED', 'SENT', 'DELIVERED', 'READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED']) {
      expect([state, passes('MODIFY', { type: 'message', state })]).toEqual([state, true]);
    }
    expect(passes('MODIFY', { type: 'message', state: 'SENDING' })).toBe(false);
    expect(passes('MODIFY', { type: 'message', state: 'PENDING' })).toBe(false);
    expect(passes('REMOVE', { type: 'suppression' })).toBe(true);
    expect(passes('REMOVE', { type: 'message', state: 'READ' })).toBe(false);
    for (const type of [
      'host',
      'accountHot',
      'counter',
      'event',
      'delivery',
      'text',
      'recipient',
      'audit',
      'inbound',
    ]) {
      expect([type, passes('INSERT', { type }), passes('MODIFY', { type })]).toEqual([type, false, false]);
    }
  });

  test('no queue but that of a host forgets anything before 14 days', () => {
    const queues = [data, service].flatMap((stack) => Object.values(stack.findResources('AWS::SQS::Queue')));
    expect(queues.length).toBeGreaterThan(10);
    const shorter = queues.filter(({ Properties }) => Properties.MessageRetentionPeriod !== 1_209_600);
    expect(shorter.map(({ Properties }) => Properties.QueueName)).toEqual([]);
  });

  test('webhook takes ten deliveries at a time, twenty batches at once, and those that waited beside them', () => {
    const queueOf = (source: { EventSourceArn: { 'Fn::GetAtt': [string, string] } }) =>
      service.toJSON().Resources[source.EventSourceArn['Fn::GetAtt'][0]].Properties.QueueName;
    const mappings = Object.values(service.findResources('AWS::Lambda::EventSourceMapping')).map(
      (one) => one.Properties,
    );
    const own = new Map(
      mappings.filter((one) => one.EventSourceArn['Fn::GetAtt'] !== undefined).map((one) => [queueOf(one), one]),
    );
    expect(own.get('paceline-qa-webhook.fifo')).toMatchObject({
      BatchSize: 10,
      ScalingConfig: { MaximumConcurrency: 20 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    expect(own.get('paceline-qa-webhook-later')).toMatchObject({
      BatchSize: 10,
      ScalingConfig: { MaximumConcurrency: 2 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });

  test('webhook has no VPC', () => {
    const [webhook] = Object.values(
      service.findResources('AWS::Lambda::Function', { Properties: { FunctionName: 'paceline-qa-webhook' } }),
    );
    expect(webhook?.Properties).not.toHaveProperty('VpcConfig');
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

  test('there are exactly these, besides those made at run time', () => {
    const names = [data, service].map((template) =>
      Object.values(template.findResources('AWS::SQS::Queue')).map(({ Properties }) => Properties.QueueName),
    );
    expect(names.map((one) => one.sort())).toEqual([
      ['paceline-qa-import', 'paceline-qa-import-dlq', 'paceline-qa-lanes-dlq.fifo'],
      [
        'paceline-qa-events-dlq',
        'paceline-qa-feed-changes-dlq',
        'paceline-qa-feed-dlq.fifo',
        'paceline-qa-feed.fifo',
        'paceline-qa-webhook-dlq.fifo',
        'paceline-qa-webhook-later',
        'paceline-qa-webhook-later-dlq',
        'paceline-qa-webhook.fifo',
      ],
    ]);
  });

  test('every queue is encrypted and refuses everything that does not come over TLS', () => {
    for (const template of [data, service]) {
      const queues = Object.keys(template.findResources('AWS::SQS::Queue'));
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

test('the outputs say where the API, the table and the hosts are', () => {
  const outputs = Object.fromEntries(
    Object.entries(service.findOutputs('*')).map(([name, output]) => [name, flatten(output.Value)]),
  );
  expect(Object.keys(outputs).sort()).toEqual(['ApiUrl', 'HostCluster', 'HostService', 'TableName']);
});
