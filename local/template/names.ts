import { stringAt } from './json.ts';
import type { Provisioned } from './plan.ts';
import { type Physical, physicalKey, type ResolveContext, resolveObject } from './resolve.ts';
import type { Resource } from './stacks.ts';

/** Adds each resource's local name to the context: from the template, or made from stack and logical id, as CloudFormation does. */
export function physicalNames(resources: Resource[], provisioned: Provisioned, context: ResolveContext): void {
  for (const resource of resources) {
    const physical = physicalOf(resource, provisioned, context);
    if (physical !== undefined) context.physical.set(physicalKey(resource.stack, resource.logicalId), physical);
  }
}

function physicalOf(resource: Resource, provisioned: Provisioned, context: ResolveContext): Physical | undefined {
  const { region, accountId } = provisioned;
  const own = `${resource.stack.name}-${resource.logicalId}`;
  const named = (property: string, fallback: string): string => {
    const value = resource.properties[property];
    const resolved = value === undefined ? {} : resolveObject({ value }, resource.stack, context);
    return stringAt(resolved, 'value') ?? fallback;
  };
  switch (resource.type) {
    case 'AWS::DynamoDB::Table':
    case 'AWS::DynamoDB::GlobalTable': {
      const name = named('TableName', own);
      const arn = `arn:aws:dynamodb:${region}:${accountId}:table/${name}`;
      const StreamArn = provisioned.streams.get(name) ?? `${arn}/stream/local`;
      return { ref: name, attributes: { Arn: arn, StreamArn } };
    }
    case 'AWS::SQS::Queue': {
      const fifo = resource.properties.FifoQueue === true;
      const name = named('QueueName', own.slice(0, 75) + (fifo ? '.fifo' : ''));
      const real = provisioned.queues.get(name);
      const Arn = real?.arn ?? `arn:aws:sqs:${region}:${accountId}:${name}`;
      const url = real?.url ?? `${provisioned.sqsUrl}/${accountId}/${name}`;
      return { ref: url, attributes: { Arn, QueueName: name, QueueUrl: url } };
    }
    case 'AWS::S3::Bucket': {
      const name = named(
        'BucketName',
        own
          .toLowerCase()
          .replaceAll(/[^a-z0-9-]/g, '-')
          .slice(0, 63),
      );
      return { ref: name, attributes: { Arn: `arn:aws:s3:::${name}`, DomainName: `${name}.s3.amazonaws.com` } };
    }
    case 'AWS::Lambda::Function': {
      const name = named('FunctionName', own.slice(0, 64));
      return { ref: name, attributes: { Arn: `arn:aws:lambda:${region}:${accountId}:function:${name}` } };
    }
    case 'AWS::ApiGatewayV2::Api':
      return { ref: 'local', attributes: { ApiEndpoint: provisioned.apiUrl, ApiId: 'local' } };
    default:
      return undefined;
  }
}
