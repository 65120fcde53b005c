import { readFileSync } from 'node:fs';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { passesFilters } from '../../local/sources/filter.ts';
import { flatten, synthesize } from './synthesis.ts';

const { data, service } = synthesize({ stage: 'qa' });

/** How a link to a heading is written: lower case, words joined by hyphens, nothing else. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

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

  test('each is told where things are', () => {
    for (const resource of Object.values(service.findResources('AWS::Lambda::Function'))) {
      if (resource.Metadata?.['paceline:name'] === undefined) continue;
      expect(resource.Properties.Environment.Variables).toMatchObject({
        STAGE: 'qa',
        LANE_PREFIX: 'paceline-qa-lane-',
        INBOX_PREFIX: 'paceline-qa-inbox-',
        LOG_LEVEL: 'info',
        POWERTOOLS_METRICS_NAMESPACE: 'Paceline/qa',
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
    expect(own.get('paceline-qa-webhook-later')).toMatchObject({ ScalingConfig: { MaximumConcurrency: 2 } });
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

  test('every queue is encrypted and refuses everything that does not come over TLS', () => {
    for (const template of [data, service]) {
      const queues = Object.keys(template.findResources('AWS::SQS::Queue'));
      expect(queues.length).toBeGreaterThan(2);
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
        /What to do: docs\/runbook\.md#([a-z-]+)$/.exec(alarm.AlarmDescription)?.[1],
      ]),
    );
    expect(Object.fromEntries(links)).toEqual({
      'paceline-qa-lane-dead-letters': 'starved-lane',
      'paceline-qa-no-host': 'no-host',
      'paceline-qa-hosts-lost': 'host-killed',
      'paceline-qa-fences': 'stale-host',
      'paceline-qa-accounts-without-owner': 'accounts-without-a-host',
      'paceline-qa-contracts-stuck': 'contract-that-waits',
      'paceline-qa-api-errors': 'api',
      'paceline-qa-feed-errors': 'feed',
      'paceline-qa-feed-dead-letters': 'feed',
      'paceline-qa-feed-changes-errors': 'feed',
      'paceline-qa-feed-changes-dead-letters': 'feed',
      'paceline-qa-feed-iterator-age': 'feed',
      'paceline-qa-events-errors': 'events',
      'paceline-qa-events-dead-letters': 'events',
      'paceline-qa-events-iterator-age': 'events',
      'paceline-qa-events-parked': 'events',
      'paceline-qa-webhook-errors': 'webhooks',
      'paceline-qa-webhook-dead-letters': 'webhooks',
      'paceline-qa-webhook-later-dead-letters': 'webhooks',
      'paceline-qa-webhook-age': 'webhooks',
      'paceline-qa-import-errors': 'import',
      'paceline-qa-import-dead-letters': 'import',
      'paceline-qa-sweep-errors': 'sweep',
      'paceline-qa-sweep-failures': 'sweep',
      'paceline-qa-sweep-not-running': 'sweep',
    });
    const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    const headings = [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
    expect(links.filter(([, section]) => !headings.includes(String(section)))).toEqual([]);
  });

  test('of what the functions tell are of its stage, and a metric that is not told is no alarm', () => {
    const told = Object.values(service.findResources('AWS::CloudWatch::Alarm'))
      .map(({ Properties }) => Properties)
      .filter(({ Namespace }) => String(Namespace).startsWith('Paceline'));
    expect(told.map(({ MetricName }) => MetricName).sort()).toEqual([
      'AccountsWithoutOwner',
      'ContractsStuck',
      'Failures',
      'Fences',
      'HostsLost',
      'RecordsParked',
    ]);
    for (const { MetricName, Namespace, Dimensions, Threshold, TreatMissingData } of told) {
      expect([MetricName, Namespace, Threshold, TreatMissingData]).toEqual([
        MetricName,
        'Paceline/qa',
        1,
        'notBreaching',
      ]);
      // The log line of a fence has no service of its own.
      const service = MetricName === 'RecordsParked' ? 'events' : 'sweep';
      expect(Dimensions).toEqual(MetricName === 'Fences' ? undefined : [{ Name: 'service', Value: service }]);
    }
  });

  test('fire although a minute has none of the sweep’s values and the next one two: it may end a little later than the one before', () => {
    const told = Object.values(service.findResources('AWS::CloudWatch::Alarm'))
      .map(({ Properties }) => Properties)
      .filter(({ Namespace, Period }) => String(Namespace).startsWith('Paceline') && Period === 60);
    expect(told.map(({ MetricName }) => MetricName).sort()).toEqual([
      'AccountsWithoutOwner',
      'ContractsStuck',
      'Failures',
    ]);
    for (const { MetricName, EvaluationPeriods, DatapointsToAlarm } of told)
      expect([MetricName, EvaluationPeriods, DatapointsToAlarm]).toEqual([MetricName, 5, 3]);
  });

  test('a sweep that does not run is one, although nothing is told then', () => {
    service.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmName: 'paceline-qa-sweep-not-running',
      Namespace: 'AWS/Lambda',
      MetricName: 'Invocations',
      EvaluationPeriods: 5,
      Period: 60,
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      TreatMissingData: 'breaching',
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
