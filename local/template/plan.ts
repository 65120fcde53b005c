import { type JsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts';
import { physicalNames } from './names.ts';
import { type ResolveContext, resolveObject } from './resolve.ts';
import { type Resource, resourcesOf, type Stack } from './stacks.ts';
import { type BucketPlan, bucketPlan, type QueuePlan, queuePlan, type TablePlan, tablePlan } from './storage.ts';
import { type Route, routesOf, type Schedule, scheduleOf } from './triggers.ts';

export interface FunctionPlan {
  /** `paceline:name`, for people: api, feed, .. */
  name: string;
  arn: string;
  functionName: string;
  /** Source file relative to the project, from `paceline:entry`. */
  entry: string;
  /** The exported function that is called. */
  handler: string;
  timeoutMs: number;
  memoryMb: number;
  environment: Record<string, string>;
}

export interface HostPlan {
  entry: string;
  environment: Record<string, string>;
}

/** A queue that invokes a function. `filters` are JSON texts, as in the template. */
export interface QueueSource {
  functionArn: string;
  queueArn: string;
  batchSize: number;
  reportsFailures: boolean;
  maxConcurrency: number;
  filters: string[];
}

export interface StreamSource {
  functionArn: string;
  streamArn: string;
  batchSize: number;
  fromStart: boolean;
  reportsFailures: boolean;
  bisect: boolean;
  /** Retries of a failing batch before it is parked; -1 is AWS's "until the records expire". */
  maxRetries: number;
  filters: string[];
}

/** All parts of the templates that run on this machine. */
export interface LocalPlan {
  tables: TablePlan[];
  queues: QueuePlan[];
  buckets: BucketPlan[];
  functions: FunctionPlan[];
  host: HostPlan | undefined;
  queueSources: QueueSource[];
  streamSources: StreamSource[];
  schedules: Schedule[];
  routes: Route[];
  /** Sentences about parts of the template that do not run here. */
  warnings: string[];
}

/** Addresses that are known only after provisioning. Before that the plan holds made-up URLs. */
export interface Provisioned {
  apiUrl: string;
  sqsUrl: string;
  region: string;
  accountId: string;
  queues: Map<string, { url: string; arn: string }>;
  streams: Map<string, string>;
}

/** Returns the plan of this machine: the templates with the given names and addresses filled in. It has no side effects. */
export function planFrom(stacks: Stack[], provisioned: Provisioned): LocalPlan {
  const resources = resourcesOf(stacks);
  const context: ResolveContext = {
    stacks,
    region: provisioned.region,
    accountId: provisioned.accountId,
    physical: new Map(),
  };
  physicalNames(resources, provisioned, context);
  const resolved = resources.map((resource) => ({
    ...resource,
    properties: runsHere(resource) ? resolveObject(resource.properties, resource.stack, context) : {},
  }));
  const ofType = (...types: string[]): Resource[] => resolved.filter((resource) => types.includes(resource.type));
  const warnings: string[] = [];
  const functions = ofType('AWS::Lambda::Function')
    .filter((resource) => stringAt(resource.metadata, 'paceline:entry') !== undefined)
    .map((resource) => functionPlan(resource, context));
  const known = new Set(functions.map((one) => one.arn));
  const sources = ofType('AWS::Lambda::EventSourceMapping')
    .map((resource) => resource.properties)
    .filter((properties) => properties.Enabled !== false);
  return {
    tables: ofType('AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable').map((one) => tablePlan(one, context)),
    queues: ofType('AWS::SQS::Queue').map((one) => queuePlan(one, context)),
    buckets: ofType('AWS::S3::Bucket').map((one) => bucketPlan(one, context, ofType('Custom::S3BucketNotifications'))),
    functions,
    host: ofType('AWS::ECS::TaskDefinition')
      .map(hostPlan)
      .find((one) => one !== undefined),
    queueSources: sources.filter((one) => sourceArn(one).includes(':sqs:')).map((one) => queueSource(one, known)),
    streamSources: sources.filter((one) => sourceArn(one).includes('/stream/')).map((one) => streamSource(one, known)),
    schedules: ofType('AWS::Events::Rule', 'AWS::Scheduler::Schedule').flatMap((one) =>
      scheduleOf(one, known, warnings),
    ),
    routes: routesOf(ofType('AWS::ApiGatewayV2::Route'), ofType('AWS::ApiGatewayV2::Integration'), known),
    warnings,
  };
}

/** Only these types are resolved. Others (roles, alarms, networks) are not used here and may call functions that local mode does not support. */
const RUN_TYPES =
  /^(AWS::(DynamoDB|SQS|S3|Lambda|Events|Scheduler|ApiGatewayV2)::|AWS::ECS::TaskDefinition|Custom::S3BucketNotifications)/;

/** Returns whether a resource is used here. A function without an entry is a helper of the CDK and is not. */
function runsHere({ type, metadata }: Resource): boolean {
  return RUN_TYPES.test(type) && (type !== 'AWS::Lambda::Function' || metadata['paceline:entry'] !== undefined);
}

function functionPlan(resource: Resource, context: ResolveContext): FunctionPlan {
  const { properties, metadata, stack, logicalId } = resource;
  const physical = context.physical.get(`${stack.name}/${logicalId}`);
  return {
    name: stringAt(metadata, 'paceline:name') ?? logicalId,
    arn: physical?.attributes.Arn ?? '',
    functionName: physical?.ref ?? logicalId,
    entry: stringAt(metadata, 'paceline:entry') ?? '',
    handler: (stringAt(properties, 'Handler') ?? 'index.handler').split('.').at(-1) ?? 'handler',
    timeoutMs: (numberAt(properties, 'Timeout') ?? 3) * 1000,
    memoryMb: numberAt(properties, 'MemorySize') ?? 128,
    environment: strings(objectAt(objectAt(properties, 'Environment'), 'Variables')),
  };
}

function hostPlan({ properties, metadata }: Resource): HostPlan | undefined {
  const entry = stringAt(metadata, 'paceline:entry');
  const container = listAt(properties, 'ContainerDefinitions')[0];
  if (entry === undefined || container === undefined) return undefined;
  const environment: Record<string, string> = {};
  for (const variable of listAt(container, 'Environment')) {
    const name = stringAt(variable, 'Name');
    if (name !== undefined) environment[name] = stringAt(variable, 'Value') ?? '';
  }
  return { entry, environment };
}

function sourceArn(properties: JsonObject): string {
  return stringAt(properties, 'EventSourceArn') ?? '';
}

function queueSource(properties: JsonObject, known: Set<string>): QueueSource {
  return {
    functionArn: target(stringAt(properties, 'FunctionName'), known),
    queueArn: sourceArn(properties),
    batchSize: Math.min(numberAt(properties, 'BatchSize') ?? 10, 10),
    reportsFailures: reportsFailures(properties),
    maxConcurrency: numberAt(objectAt(properties, 'ScalingConfig'), 'MaximumConcurrency') ?? 10,
    filters: filtersOf(properties),
  };
}

function streamSource(properties: JsonObject, known: Set<string>): StreamSource {
  return {
    functionArn: target(stringAt(properties, 'FunctionName'), known),
    streamArn: sourceArn(properties),
    batchSize: numberAt(properties, 'BatchSize') ?? 100,
    fromStart: stringAt(properties, 'StartingPosition') !== 'LATEST',
    reportsFailures: reportsFailures(properties),
    bisect: properties.BisectBatchOnFunctionError === true,
    maxRetries: numberAt(properties, 'MaximumRetryAttempts') ?? -1,
    filters: filtersOf(properties),
  };
}

function reportsFailures(properties: JsonObject): boolean {
  const types = properties.FunctionResponseTypes;
  return Array.isArray(types) && types.includes('ReportBatchItemFailures');
}

function filtersOf(properties: JsonObject): string[] {
  return listAt(objectAt(properties, 'FilterCriteria'), 'Filters').flatMap((one) => stringAt(one, 'Pattern') ?? []);
}

/** Returns the ARN of the function that an event source names, by ARN or by name. Throws when it is unknown. */
function target(given: string | undefined, known: Set<string>): string {
  for (const arn of known) if (arn === given || arn.endsWith(`:function:${given}`)) return arn;
  throw new Error(`An event source calls ${given}, which is no function with a paceline:entry.`);
}

function strings(values: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.keys(values).map((key) => [key, stringAt(values, key) ?? '']));
}
