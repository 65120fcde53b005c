import { type JsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts';
import { physicalKey, type ResolveContext } from './resolve.ts';
import type { Resource } from './stacks.ts';

export interface KeyPart {
  name: string;
  kind: 'HASH' | 'RANGE';
}
export interface IndexPlan {
  name: string;
  keys: KeyPart[];
  projection: string;
  nonKeyAttributes: string[];
}
export interface TablePlan {
  name: string;
  keys: KeyPart[];
  attributes: { name: string; type: string }[];
  indexes: IndexPlan[];
  /** Undefined when the table has no stream. */
  streamView: string | undefined;
  ttlAttribute: string | undefined;
}
export interface QueuePlan {
  name: string;
  /** SQS attributes as its API takes them, without the redrive policy. */
  attributes: Record<string, string>;
  redrive: { deadLetterArn: string; maxReceiveCount: number } | undefined;
}
export interface NotificationPlan {
  queueArn: string;
  events: string[];
  prefix: string;
  suffix: string;
}
export interface CorsRule {
  origins: string[];
  methods: string[];
  headers: string[];
  exposed: string[];
  maxAgeSec: number;
}
export interface BucketPlan {
  name: string;
  cors: CorsRule[];
  notifications: NotificationPlan[];
}

export function tablePlan(resource: Resource, context: ResolveContext): TablePlan {
  const { properties } = resource;
  const ttl = objectAt(properties, 'TimeToLiveSpecification');
  return {
    name: nameOf(resource, context),
    keys: keysOf(properties),
    attributes: listAt(properties, 'AttributeDefinitions').map((one) => ({
      name: stringAt(one, 'AttributeName') ?? '',
      type: stringAt(one, 'AttributeType') ?? 'S',
    })),
    indexes: listAt(properties, 'GlobalSecondaryIndexes').map((one) => ({
      name: stringAt(one, 'IndexName') ?? '',
      keys: keysOf(one),
      projection: stringAt(objectAt(one, 'Projection'), 'ProjectionType') ?? 'ALL',
      nonKeyAttributes: stringsAt(objectAt(one, 'Projection'), 'NonKeyAttributes'),
    })),
    streamView: stringAt(objectAt(properties, 'StreamSpecification'), 'StreamViewType'),
    ttlAttribute: ttl.Enabled === true ? stringAt(ttl, 'AttributeName') : undefined,
  };
}

const QUEUE_ATTRIBUTES: Record<string, string> = {
  VisibilityTimeout: 'VisibilityTimeout',
  MessageRetentionPeriod: 'MessageRetentionPeriod',
  MaximumMessageSize: 'MaximumMessageSize',
  DelaySeconds: 'DelaySeconds',
  ReceiveMessageWaitTimeSeconds: 'ReceiveMessageWaitTimeSeconds',
  FifoQueue: 'FifoQueue',
  ContentBasedDeduplication: 'ContentBasedDeduplication',
  DeduplicationScope: 'DeduplicationScope',
  FifoThroughputLimit: 'FifoThroughputLimit',
};

export function queuePlan(resource: Resource, context: ResolveContext): QueuePlan {
  const { properties } = resource;
  const attributes: Record<string, string> = {};
  for (const [property, attribute] of Object.entries(QUEUE_ATTRIBUTES)) {
    const value = stringAt(properties, property);
    if (value !== undefined) attributes[attribute] = value;
  }
  const redrive = objectAt(properties, 'RedrivePolicy');
  const deadLetterArn = stringAt(redrive, 'deadLetterTargetArn');
  return {
    name: context.physical.get(physicalKey(resource.stack, resource.logicalId))?.attributes.QueueName ?? '',
    attributes,
    redrive:
      deadLetterArn === undefined
        ? undefined
        : { deadLetterArn, maxReceiveCount: numberAt(redrive, 'maxReceiveCount') ?? 10 },
  };
}

/** `customNotifications`: CDK's Custom::S3BucketNotifications resources, which name their bucket. */
export function bucketPlan(resource: Resource, context: ResolveContext, customNotifications: Resource[]): BucketPlan {
  const name = nameOf(resource, context);
  const configurations = [
    objectAt(resource.properties, 'NotificationConfiguration'),
    ...customNotifications
      .filter((one) => stringAt(one.properties, 'BucketName') === name)
      .map((one) => objectAt(one.properties, 'NotificationConfiguration')),
  ];
  return {
    name,
    cors: listAt(objectAt(resource.properties, 'CorsConfiguration'), 'CorsRules').map((one) => ({
      origins: stringsAt(one, 'AllowedOrigins'),
      methods: stringsAt(one, 'AllowedMethods'),
      headers: stringsAt(one, 'AllowedHeaders'),
      exposed: stringsAt(one, 'ExposedHeaders'),
      maxAgeSec: numberAt(one, 'MaxAge') ?? 0,
    })),
    notifications: configurations.flatMap((one) => notificationsOf(one, name)),
  };
}

function notificationsOf(configuration: JsonObject, bucket: string): NotificationPlan[] {
  for (const other of ['LambdaFunctionConfigurations', 'LambdaConfigurations', 'TopicConfigurations']) {
    if (listAt(configuration, other).length > 0) {
      throw new Error(`Bucket ${bucket} notifies something other than a queue, which local mode does not support.`);
    }
  }
  return listAt(configuration, 'QueueConfigurations').map((one) => {
    const filter = objectAt(one, 'Filter');
    const rules = [...listAt(objectAt(filter, 'Key'), 'FilterRules'), ...listAt(objectAt(filter, 'S3Key'), 'Rules')];
    const rule = (kind: string): string => {
      const found = rules.find((item) => stringAt(item, 'Name')?.toLowerCase() === kind);
      return found === undefined ? '' : (stringAt(found, 'Value') ?? '');
    };
    const event = stringAt(one, 'Event');
    return {
      queueArn: stringAt(one, 'QueueArn') ?? stringAt(one, 'Queue') ?? '',
      events: event === undefined ? stringsAt(one, 'Events') : [event],
      prefix: rule('prefix'),
      suffix: rule('suffix'),
    };
  });
}

function keysOf(properties: JsonObject): KeyPart[] {
  return listAt(properties, 'KeySchema').map((one) => ({
    name: stringAt(one, 'AttributeName') ?? '',
    kind: stringAt(one, 'KeyType') === 'RANGE' ? 'RANGE' : 'HASH',
  }));
}

function nameOf(resource: Resource, context: ResolveContext): string {
  return context.physical.get(physicalKey(resource.stack, resource.logicalId))?.ref ?? resource.logicalId;
}

function stringsAt(value: JsonObject, key: string): string[] {
  const found = value[key];
  return Array.isArray(found) ? found.filter((item) => typeof item === 'string') : [];
}
