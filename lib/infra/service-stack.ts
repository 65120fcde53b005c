import { CfnOutput, Duration, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Alarms } from './alarms.ts';
import { Api } from './api.ts';
import type { DataStack } from './data-stack.ts';
import { Events } from './events.ts';
import { Feed, feedVisibilitySec } from './feed.ts';
import type { SharedEnvironment } from './function.ts';
import { Import } from './import.ts';
import { InboundWatch } from './inbound.ts';
import { RunTimeQueues } from './lanes.ts';
import { Network } from './network.ts';
import { WorkQueue } from './queues.ts';
import { inboxPrefix, lanePrefix, type Settings } from './settings.ts';
import { SocketHost } from './socket-host.ts';
import { Sweep } from './sweep.ts';
import { Webhook, WebhookQueues } from './webhook.ts';

/** What runs: the HTTP API, the functions, the socket hosts. Can be destroyed and deployed again without loss. */
export class ServiceStack extends Stack {
  constructor(scope: Construct, settings: Settings, data: DataStack) {
    super(scope, `Paceline-${settings.stage}-Service`, {
      description: `Paceline ${settings.stage}: API, functions, hosts`,
    });
    this.addStackDependency(data);
    const alarms = new Alarms(this, settings);
    const queues = new RunTimeQueues(settings);
    const feedQueue = new WorkQueue(this, 'FeedQueue', settings, {
      thing: 'feed',
      fifo: true,
      visibility: Duration.seconds(feedVisibilitySec),
      maxReceives: 5,
    });
    const webhookQueues = new WebhookQueues(this, settings);
    const environment = sharedEnvironment(settings, data, feedQueue, webhookQueues);
    const shared = { data, feedQueue, queues, webhookQueues, environment, alarms };
    const api = new Api(this, settings, shared);
    const feed = new Feed(this, settings, shared);
    // An older feed does not know the ids of a newer API's contracts: it would make messages that lists, stops and refeeds do not find.
    api.handler.updatesAfter(feed.handler);
    const events = new Events(this, settings, shared);
    webhookQueues.due.allowSend(events.handler);
    new Webhook(this, settings, shared);
    new Import(this, settings, shared);
    new Sweep(this, settings, shared);
    const network = new Network(this, settings);
    const host = new SocketHost(this, settings, { ...shared, network });
    new InboundWatch(this, settings, { hostLogs: host.logs, alarms });

    new CfnOutput(this, 'ApiUrl', { value: api.httpApi.apiEndpoint });
    new CfnOutput(this, 'TableName', { value: data.table.table.tableName });
    new CfnOutput(this, 'HostCluster', { value: host.cluster.clusterName });
    new CfnOutput(this, 'HostService', { value: host.service.serviceName });
    if (network.egressAddress !== undefined) new CfnOutput(this, 'EgressAddress', { value: network.egressAddress });
  }
}

/** What every function and host is told (lib/runtime/config.ts reads it). */
function sharedEnvironment(
  settings: Settings,
  data: DataStack,
  feedQueue: WorkQueue,
  webhookQueues: WebhookQueues,
): SharedEnvironment {
  return {
    STAGE: settings.stage,
    TABLE_NAME: data.table.table.tableName,
    PAGES_BUCKET: data.pages.bucket.bucketName,
    AUTH_BUCKET: data.auth.bucket.bucketName,
    FEED_QUEUE_URL: feedQueue.queue.queueUrl,
    WEBHOOK_QUEUE_URL: webhookQueues.due.queue.queueUrl,
    WEBHOOK_LATER_QUEUE_URL: webhookQueues.later.queue.queueUrl,
    IMPORT_QUEUE_URL: data.importQueue.queue.queueUrl,
    LANE_PREFIX: lanePrefix(settings.stage),
    INBOX_PREFIX: inboxPrefix(settings.stage),
    LANE_DLQ_ARN: data.laneDeadLetters.queueArn,
    LOG_LEVEL: settings.logLevel,
  };
}
