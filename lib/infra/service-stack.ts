import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Alarms } from './alarms.ts';
import { Api } from './api.ts';
import type { DataStack } from './data-stack.ts';
import { Events } from './events.ts';
import { Feed } from './feed.ts';
import type { SharedEnvironment } from './function.ts';
import { Import } from './import.ts';
import { InboundWatch } from './inbound.ts';
import { RunTimeQueues } from './lanes.ts';
import { Network } from './network.ts';
import { createWorkQueues, queueUrls, type WorkQueues } from './queues.ts';
import { lanePrefix, type Settings, wakeQueuePrefix } from './settings.ts';
import { SocketHost } from './socket-host.ts';
import { Sweep } from './sweep.ts';
import { Webhook } from './webhook.ts';

/** The running parts: the HTTP API, the functions, the socket hosts. The stack can be destroyed and deployed again without loss. */
export class ServiceStack extends Stack {
  constructor(scope: Construct, settings: Settings, data: DataStack) {
    super(scope, `Paceline-${settings.stage}-Service`, {
      description: `Paceline ${settings.stage}: API, functions, hosts`,
    });
    this.addStackDependency(data);
    const alarms = new Alarms(this, settings);
    const workQueues = { ...data.workQueues, ...createWorkQueues('service', this, settings) };
    const environment = sharedEnvironment(settings, data, workQueues);
    const runTimeQueues = new RunTimeQueues(settings);
    const shared = { data, workQueues, runTimeQueues, environment, alarms };
    const api = new Api(this, settings, shared);
    const feed = new Feed(this, settings, shared);
    // An older feed does not know the contract ids of a newer API. It would make messages that lists, stops and refeeds do not find.
    api.handler.updatesAfter(feed.handler);
    const events = new Events(this, settings, shared);
    workQueues.webhookDue.allowSend(events.handler);
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

/** Returns the variables of every function and host. lib/runtime/config.ts parses them. */
function sharedEnvironment(settings: Settings, data: DataStack, workQueues: WorkQueues): SharedEnvironment {
  return {
    STAGE: settings.stage,
    TABLE_NAME: data.table.table.tableName,
    PAGES_BUCKET: data.pages.bucket.bucketName,
    AUTH_BUCKET: data.auth.bucket.bucketName,
    ...queueUrls(workQueues),
    LANE_PREFIX: lanePrefix(settings.stage),
    WAKE_QUEUE_PREFIX: wakeQueuePrefix(settings.stage),
    LANE_DLQ_ARN: data.laneDeadLetters.queueArn,
    LOG_LEVEL: settings.logLevel,
  };
}
