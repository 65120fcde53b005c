import { paginateListQueues, type SQSClient } from '@aws-sdk/client-sqs';

/** Returns the URLs of all queues whose name starts with the prefix. */
export async function listQueues(sqs: SQSClient, prefix: string): Promise<string[]> {
  const urls: string[] = [];
  for await (const page of paginateListQueues({ client: sqs, pageSize: 1000 }, { QueueNamePrefix: prefix })) {
    urls.push(...(page.QueueUrls ?? []));
  }
  return urls;
}
