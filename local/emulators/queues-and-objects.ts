import { join } from 'node:path';
import { startS3 } from './s3.ts';
import { startSqs } from './sqs.ts';

/**
 * The process of the SQS and S3 emulators. Argument: `{"sqsPort"?,"s3Port"?,"dataDir"}`. An emulator without a port is not started.
 * Without `sqsPort`, bucket notifications go to the SQS of AWS_ENDPOINT_URL_SQS. Sends `{type:'ready', sqsUrl?, s3Url?}`.
 */
interface Settings {
  sqsPort?: number;
  s3Port?: number;
  dataDir: string;
}

const settings: Settings = JSON.parse(process.argv[2] ?? '{}');
const { sqsPort, s3Port, dataDir } = settings;
const sqs = sqsPort === undefined ? undefined : await startSqs({ port: sqsPort, dataDir: join(dataDir, 'sqs') });
const s3 =
  s3Port === undefined
    ? undefined
    : await startS3({
        port: s3Port,
        dataDir: join(dataDir, 's3'),
        deliver: (queueArn, body) => sqs?.deliver(queueArn, body) ?? deliverAbroad(queueArn, body),
      });
const end = async (): Promise<void> => {
  await Promise.all([sqs?.close(), s3?.close()]);
  process.exit(0);
};
process.once('SIGTERM', () => void end());
process.once('disconnect', () => void end());
process.send?.({ type: 'ready', sqsUrl: sqs?.url, s3Url: s3?.url });

async function deliverAbroad(queueArn: string, body: string): Promise<boolean> {
  const { SQSClient, GetQueueUrlCommand, SendMessageCommand } = await import('@aws-sdk/client-sqs');
  const client = new SQSClient({ useQueueUrlAsEndpoint: false });
  try {
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: queueArn.split(':').at(-1) }));
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
    return true;
  } finally {
    client.destroy();
  }
}
