import { Aws, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket, HttpMethods } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { physicalName, type Settings } from './settings.ts';
import { acknowledge, allow, allowPattern, type Worker } from './worker.ts';

/** Days after which S3 deletes wiped credentials and removed pages for good. */
const keepNoncurrentDays = 30;

type Access = 'read' | 'write' | 'remove';
const objectActions = { read: 's3:GetObject', write: 's3:PutObject', remove: 's3:DeleteObject' };

/** An encrypted, versioned bucket that answers over TLS only. */
class StageBucket extends Construct {
  readonly bucket: Bucket;
  readonly #key: IKey;
  protected readonly name: string;

  constructor(scope: Construct, id: string, settings: Settings, key: IKey, thing: string) {
    super(scope, id);
    this.#key = key;
    // Bucket names are global, so account and region are part of them.
    this.name = `${physicalName(settings.stage, thing)}-${Aws.ACCOUNT_ID}-${Aws.REGION}`;
    const keep = settings.removal === 'retain';
    this.bucket = new Bucket(this, 'Bucket', {
      bucketName: this.name,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      versioned: true,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      lifecycleRules: [
        {
          id: 'old-versions',
          noncurrentVersionExpiration: Duration.days(keepNoncurrentDays),
          expiredObjectDeleteMarker: true,
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
      ],
      removalPolicy: keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      // The local stage has no CloudFormation that would empty the bucket.
      autoDeleteObjects: !keep && settings.stage !== 'local',
    });
    acknowledge(
      this.bucket,
      'AwsSolutions-S1',
      'Access logs would be about as many objects as the bucket itself. Where an audit asks for reads, CloudTrail data events give them.',
    );
  }

  /** Allows access to objects below a prefix (`''`: all) and, by the key, to their contents in this bucket alone. */
  protected allowObjects(worker: Worker, prefix: string, access: Access[], reason: string): void {
    // By name, not by reference: policy and finding stay readable, and the stack exports nothing more.
    const objects = `arn:${Aws.PARTITION}:s3:::${this.name}/${prefix}*`;
    if (access.includes('read')) {
      // Without the right to list, S3 answers "access denied" for a missing object instead of "no such key".
      allow(worker, ['s3:ListBucket'], [this.bucket.bucketArn]);
    }
    const actions = access.map((one) => objectActions[one]);
    allowPattern(worker, actions, objects, reason);
    if (!access.includes('read') && !access.includes('write')) return;
    const keyActions = access.includes('write') ? ['kms:Decrypt', 'kms:GenerateDataKey'] : ['kms:Decrypt'];
    allow(worker, keyActions, [this.#key.keyArn], {
      StringEquals: {
        'kms:ViaService': `s3.${Stack.of(this).region}.amazonaws.com`,
        // With bucket keys the encryption context is the bucket, not the object.
        'kms:EncryptionContext:aws:s3:arn': this.bucket.bucketArn,
      },
    });
  }
}

/**
 * Below `pages/<t>/<c>/`: rows of contracts. Below `imports/<t>/<c>/`: uploads, of which S3 notifies the import queue. Below
 * `exports/<t>/<c>/`: results to download. Below `parked/<day>/`: changes whose events could not be made.
 */
export class PagesBucket extends StageBucket {
  constructor(scope: Construct, settings: Settings, key: IKey) {
    super(scope, 'Pages', settings, key, 'pages');
    this.bucket.addLifecycleRule({ id: 'exports', prefix: 'exports/', expiration: Duration.days(1) });
    // Read within minutes, at worst within the 14 days of the import queue. Its rows are pages then.
    this.bucket.addLifecycleRule({ id: 'imports', prefix: 'imports/', expiration: Duration.days(15) });
    this.bucket.addLifecycleRule({ id: 'parked', prefix: 'parked/', expiration: Duration.days(30) });
    this.bucket.addCorsRule({
      // The presigned URL is the permission. Paceline does not know which web page uses it.
      allowedOrigins: ['*'],
      allowedMethods: [HttpMethods.PUT],
      allowedHeaders: ['*'],
      exposedHeaders: ['ETag'],
      maxAge: 3600,
    });
  }

  /**
   * Notifies the queue of each object created below `imports/`. This is plain CloudFormation, without the custom resource of
   * `addEventNotification`.
   */
  notifyImports(queue: Queue): void {
    const { policyDependable } = queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        conditions: {
          // By name: with a reference, bucket and policy would wait for each other.
          ArnEquals: { 'aws:SourceArn': `arn:${Aws.PARTITION}:s3:::${this.name}` },
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        },
      }),
    );
    const bucket = this.bucket.node.defaultChild as CfnBucket;
    bucket.notificationConfiguration = {
      queueConfigurations: [
        {
          event: 's3:ObjectCreated:*',
          queue: queue.queueArn,
          filter: { s3Key: { rules: [{ name: 'prefix', value: 'imports/' }] } },
        },
      ],
    };
    // S3 tries the queue when the notification is set, so the policy must exist first.
    if (policyDependable !== undefined) bucket.node.addDependency(policyDependable);
  }

  /** Allows access to the pages of contracts. */
  allowPages(worker: Worker, access: Access[]): void {
    this.allowObjects(worker, 'pages/', access, 'Pages are keyed by tenant and contract, both made at run time.');
  }

  /** Allows access to results that are too large for one answer. The API writes them and signs their download. */
  allowExports(worker: Worker, access: Access[]): void {
    this.allowObjects(worker, 'exports/', access, 'Exports are keyed by tenant and contract, both made at run time.');
  }

  /** Allows parking changes that could not be published. The events function writes them, and an operator reads them. */
  allowParked(worker: Worker): void {
    this.allowObjects(
      worker,
      'parked/',
      ['write'],
      'Parked records are keyed by day and sequence number, both known at run time.',
    );
  }

  /** Allows access to uploads. The API signs them (`write`), the import reads them. */
  allowImports(worker: Worker, access: Access[]): void {
    this.allowObjects(worker, 'imports/', access, 'Uploads are keyed by tenant and contract, both made at run time.');
  }
}

/** The bucket of linked-device keys. Only the socket host has access. */
export class AuthBucket extends StageBucket {
  constructor(scope: Construct, settings: Settings, key: IKey) {
    super(scope, 'Auth', settings, key, 'auth');
  }

  allowHost(worker: Worker): void {
    this.allowObjects(
      worker,
      '',
      ['read', 'write', 'remove'],
      'Keys are stored by tenant and account, both made at run time; the bucket holds nothing else.',
    );
  }
}
