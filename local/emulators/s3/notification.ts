import { LOCAL_REGION } from '../../process/environment.ts';
import type { ObjectHead, PendingEvent } from './store.ts';
import { childrenNamed, parseXml, textOf, type XmlElement } from './xml.ts';

interface Rule {
  id: string;
  queueArn: string;
  events: string[];
  prefix: string;
  suffix: string;
}

/** Returns the queue rules of a PutBucketNotificationConfiguration body; undefined when it is malformed or has targets other than queues. */
export function parseNotification(xml: string): Rule[] | undefined {
  const root = parseXml(xml);
  if (root?.name !== 'NotificationConfiguration') return undefined;
  if (root.children.some((child) => child.name !== 'QueueConfiguration')) return undefined;
  return root.children.map((child, index) => ({
    id: textOf(child, 'Id') ?? `rule-${index + 1}`,
    queueArn: textOf(child, 'Queue') ?? '',
    events: childrenNamed(child, 'Event').map((event) => event.text),
    prefix: filterValue(child, 'prefix'),
    suffix: filterValue(child, 'suffix'),
  }));
}

function filterValue(configuration: XmlElement, kind: string): string {
  const keys = childrenNamed(configuration, 'Filter').flatMap((filter) => childrenNamed(filter, 'S3Key'));
  const rules = keys.flatMap((key) => childrenNamed(key, 'FilterRule'));
  return (
    textOf(
      rules.find((rule) => textOf(rule, 'Name')?.toLowerCase() === kind),
      'Value',
    ) ?? ''
  );
}

/** Returns the events that a put object causes, one for each rule that matches it. */
export function eventsOf(
  xml: string | undefined,
  bucket: string,
  object: ObjectHead,
  requestId: string,
): Omit<PendingEvent, 'id'>[] {
  if (xml === undefined) return [];
  const eventName = 'ObjectCreated:Put';
  return (parseNotification(xml) ?? [])
    .filter((rule) => rule.events.some((event) => event === `s3:${eventName}` || event === 's3:ObjectCreated:*'))
    .filter((rule) => object.key.startsWith(rule.prefix) && object.key.endsWith(rule.suffix))
    .map((rule) => ({
      queueArn: rule.queueArn,
      body: JSON.stringify({
        Records: [
          {
            eventVersion: '2.1',
            eventSource: 'aws:s3',
            awsRegion: LOCAL_REGION,
            eventTime: new Date(object.modifiedMs).toISOString(),
            eventName,
            userIdentity: { principalId: 'local' },
            requestParameters: { sourceIPAddress: '127.0.0.1' },
            responseElements: { 'x-amz-request-id': requestId, 'x-amz-id-2': 'local' },
            s3: {
              s3SchemaVersion: '1.0',
              configurationId: rule.id,
              bucket: { name: bucket, ownerIdentity: { principalId: 'local' }, arn: `arn:aws:s3:::${bucket}` },
              object: {
                // As S3 does: URL-encoded, spaces as plus.
                key: object.key.split('/').map(encodeURIComponent).join('/').replaceAll('%20', '+'),
                size: object.size,
                eTag: object.etag,
                sequencer: object.modifiedMs.toString(16).toUpperCase().padStart(16, '0'),
              },
            },
          },
        ],
      }),
    }));
}

/** Returns the test event that S3 sends to each queue when its notification is set up. Consumers must ignore it. */
export function testEvent(bucket: string, nowMs: number): string {
  return JSON.stringify({
    Service: 'Amazon S3',
    Event: 's3:TestEvent',
    Time: new Date(nowMs).toISOString(),
    Bucket: bucket,
    RequestId: 'local',
    HostId: 'local',
  });
}
