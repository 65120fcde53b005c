import type { IncomingMessage } from 'node:http';

export type AwsService = 'dynamodb' | 'sqs' | 's3';

/** An answer as it goes over the wire. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: Buffer;
}

/** Operations that change something at the service. */
const writes: ReadonlySet<string> = new Set([
  'PutItem',
  'UpdateItem',
  'DeleteItem',
  'BatchWriteItem',
  'TransactWriteItems',
  'SendMessage',
  'SendMessageBatch',
  'DeleteMessage',
  'DeleteMessageBatch',
  'ChangeMessageVisibility',
  'ChangeMessageVisibilityBatch',
  'CreateQueue',
  'DeleteQueue',
  'PutObject',
  'DeleteObject',
  'DeleteObjects',
]);

export function isWrite(operation: string): boolean {
  return writes.has(operation);
}

/** Returns the API's name of a request: `TransactWriteItems`, `ReceiveMessage`, `PutObject`; `unknown` for requests that Paceline does not send. */
export function operationOf(service: AwsService, { method, url = '/', headers }: IncomingMessage): string {
  if (service !== 's3') return String(headers['x-amz-target'] ?? '').split('.')[1] ?? 'unknown';
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const hasKey = pathname.split('/').filter((part) => part !== '').length > 1;
  switch (method) {
    case 'PUT':
      return hasKey ? 'PutObject' : 'CreateBucket';
    case 'GET':
      return hasKey ? 'GetObject' : 'ListObjectsV2';
    case 'HEAD':
      return hasKey ? 'HeadObject' : 'HeadBucket';
    case 'POST':
      return searchParams.has('delete') ? 'DeleteObjects' : 'unknown';
    case 'DELETE':
      return 'DeleteObject';
    default:
      return 'unknown';
  }
}

/** Returns the 500 of a broken service. */
export function brokenAnswer(service: AwsService): Answer {
  switch (service) {
    case 'dynamodb':
      return json(
        500,
        'com.amazonaws.dynamodb.v20120810#InternalServerError',
        'The request failed inside the service.',
      );
    case 'sqs':
      return json(500, 'com.amazonaws.sqs#InternalError', 'The request failed inside the service.');
    case 's3':
      return xml(500, 'InternalError', 'We encountered an internal error. Please try again.');
    default:
      return service satisfies never;
  }
}

/** Returns the answer of a service that throttles. DynamoDB has two such errors; `other` selects the second. */
export function throttledAnswer(service: AwsService, other: boolean): Answer {
  switch (service) {
    case 'dynamodb':
      return other
        ? json(
            400,
            'com.amazon.coral.availability#ThrottlingException',
            'Rate of requests exceeds the allowed throughput.',
          )
        : json(
            400,
            'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException',
            'The level of configured provisioned throughput for the table was exceeded.',
          );
    case 'sqs':
      return json(400, 'com.amazonaws.sqs#RequestThrottled', 'The request was denied due to request throttling.');
    case 's3':
      return xml(503, 'SlowDown', 'Please reduce your request rate.');
    default:
      return service satisfies never;
  }
}

function json(status: number, type: string, message: string): Answer {
  const body = Buffer.from(JSON.stringify({ __type: type, message }));
  return { status, headers: { 'content-type': 'application/x-amz-json-1.0' }, body };
}

function xml(status: number, code: string, message: string): Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(text) };
}
