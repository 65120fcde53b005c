import { CfnOutput, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { Alarms } from './alarms.ts';
import { AuthBucket, PagesBucket } from './buckets.ts';
import { createLaneDeadLetters, createWorkQueues } from './queues.ts';
import { physicalName, type Settings } from './settings.ts';
import { MainTable } from './table.ts';

/** The resources that must outlive a broken deployment: table, buckets, their key, and the queue that a bucket notifies. */
export class DataStack extends Stack {
  readonly table: MainTable;
  readonly pages: PagesBucket;
  readonly auth: AuthBucket;
  readonly workQueues: ReturnType<typeof createWorkQueues<'data'>>;
  readonly laneDeadLetters: Queue;

  constructor(scope: Construct, settings: Settings) {
    super(scope, `Paceline-${settings.stage}-Data`, { description: `Paceline ${settings.stage}: table, buckets, key` });
    const key = new Key(this, 'Key', {
      alias: physicalName(settings.stage, 'data'),
      description: `Paceline ${settings.stage}: table and buckets`,
      enableKeyRotation: true,
      removalPolicy: settings.removal === 'retain' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.table = new MainTable(this, settings, key);
    this.pages = new PagesBucket(this, settings, key);
    this.auth = new AuthBucket(this, settings, key);
    this.workQueues = createWorkQueues('data', this, settings);
    this.pages.notifyImports(this.workQueues.import.queue);
    this.laneDeadLetters = createLaneDeadLetters(this, settings);
    new Alarms(this, settings).addDeadLetters(
      'lane-dead-letters',
      'starved-lane',
      this.laneDeadLetters,
      'Messages were received ten times from a lane without an outcome.',
    );
    new CfnOutput(this, 'TableName', { value: this.table.table.tableName });
  }
}
