import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  StreamViewType,
  Table,
  TableEncryption,
} from 'aws-cdk-lib/aws-dynamodb';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { physicalName, type Settings } from './settings.ts';
import { allow, type Worker } from './worker.ts';

/** The name of the sparse index. lib/aws/keys.ts reads it. */
const finderIndex = 'finder';

const actions = {
  read: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'],
  write: [
    'dynamodb:BatchWriteItem',
    'dynamodb:ConditionCheckItem',
    'dynamodb:DeleteItem',
    'dynamodb:PutItem',
    'dynamodb:UpdateItem',
  ],
};

/**
 * The one table. `Table`, not `TableV2`: the latter takes a customer key only in a stack with a concrete region, and these stacks
 * synthesize without an account.
 */
export class MainTable extends Construct {
  readonly table: Table;
  readonly #key: IKey;

  constructor(scope: Construct, settings: Settings, key: IKey) {
    super(scope, 'Table');
    const keep = settings.removal === 'retain';
    this.#key = key;
    this.table = new Table(this, 'Main', {
      tableName: physicalName(settings.stage, 'table'),
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
      timeToLiveAttribute: 'ttl',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: key,
      deletionProtection: keep,
      removalPolicy: keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.table.addGlobalSecondaryIndex({
      indexName: finderIndex,
      partitionKey: { name: 'ix', type: AttributeType.STRING },
      sortKey: { name: 'ixs', type: AttributeType.STRING },
      projectionType: ProjectionType.KEYS_ONLY,
    });
  }

  /** Allows reads and writes of items. Transactions need exactly these too. Scans, the index and the table itself are not allowed. */
  allowItems(worker: Worker): void {
    allow(worker, [...actions.read, ...actions.write], [this.table.tableArn]);
    this.#allowKey(worker);
  }

  #allowKey(worker: Worker): void {
    allow(
      worker,
      ['kms:Decrypt', 'kms:DescribeKey', 'kms:Encrypt', 'kms:GenerateDataKey', 'kms:ReEncryptFrom', 'kms:ReEncryptTo'],
      [this.#key.keyArn],
      { StringEquals: { 'kms:ViaService': `dynamodb.${Stack.of(this).region}.amazonaws.com` } },
    );
  }

  /**
   * Allows reads and writes below partition keys of these forms only (`*` and `?` as in IAM). `update` allows changes of items, no creation and no
   * removal. A request for any other partition is refused.
   */
  allowItemsBelow(worker: Worker, forms: { read: string[]; write: string[]; update: string[] }): void {
    const below = (keys: string[]) => ({ 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys } });
    allow(worker, actions.read, [this.table.tableArn], below(forms.read));
    allow(worker, actions.write, [this.table.tableArn], below(forms.write));
    allow(worker, ['dynamodb:UpdateItem'], [this.table.tableArn], below(forms.update));
    this.#allowKey(worker);
  }

  /** Allows queries of the index: accounts without an owner or of a host, running contracts, due work. */
  allowFinder(worker: Worker): void {
    allow(worker, ['dynamodb:Query'], [`${this.table.tableArn}/index/${finderIndex}`]);
  }
}
