import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { flatten, synthesize } from './synthesis.ts';

const { data } = synthesize({ stage: 'qa' });

describe('the table', () => {
  test('has the keys, stream, time to live and index that lib/aws/keys.ts relies on', () => {
    data.resourceCountIs('AWS::DynamoDB::Table', 1);
    data.hasResourceProperties('AWS::DynamoDB::Table', {
      TableName: 'paceline-qa-table',
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      BillingMode: 'PAY_PER_REQUEST',
      StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      GlobalSecondaryIndexes: [
        {
          IndexName: 'finder',
          KeySchema: [
            { AttributeName: 'ix', KeyType: 'HASH' },
            { AttributeName: 'ixs', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'KEYS_ONLY' },
        },
      ],
    });
  });

  test('is encrypted with the rotating key, can be restored to any second and cannot be deleted by accident', () => {
    const [keyId] = Object.keys(data.findResources('AWS::KMS::Key', { Properties: { EnableKeyRotation: true } }));
    data.hasResource('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: { 'Fn::GetAtt': [keyId, 'Arn'] } },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        DeletionProtectionEnabled: true,
      },
    });
  });
});

describe('the buckets', () => {
  test('are two, encrypted with the key through bucket keys, versioned, private, kept', () => {
    data.resourceCountIs('AWS::S3::Bucket', 2);
    data.allResources('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      Properties: Match.objectLike({
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            {
              BucketKeyEnabled: true,
              ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: Match.anyValue() },
            },
          ],
        },
        VersioningConfiguration: { Status: 'Enabled' },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        LifecycleConfiguration: {
          Rules: Match.arrayWith([
            {
              Id: 'old-versions',
              Status: 'Enabled',
              NoncurrentVersionExpiration: { NoncurrentDays: 30 },
              ExpiredObjectDeleteMarker: true,
              AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
            },
          ]),
        },
      }),
    });
  });

  test('forget exports after a day and uploads after 15 days, never pages', () => {
    data.hasResourceProperties('AWS::S3::Bucket', {
      BucketName: { 'Fn::Join': ['', Match.arrayWith(['paceline-qa-pages-'])] },
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({ Id: 'old-versions', ExpirationInDays: Match.absent() }),
          { Id: 'exports', Prefix: 'exports/', ExpirationInDays: 1, Status: 'Enabled' },
          { Id: 'imports', Prefix: 'imports/', ExpirationInDays: 15, Status: 'Enabled' },
          { Id: 'parked', Prefix: 'parked/', ExpirationInDays: 30, Status: 'Enabled' },
        ],
      },
    });
  });

  test('refuse everything that does not come over TLS', () => {
    data.resourceCountIs('AWS::S3::BucketPolicy', 2);
    data.allResourcesProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Principal: { AWS: '*' },
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    });
  });

  test('tell the import queue of uploads, pages stay quiet', () => {
    const [queueId] = Object.keys(
      data.findResources('AWS::SQS::Queue', { Properties: { QueueName: 'paceline-qa-import' } }),
    );
    data.hasResourceProperties('AWS::S3::Bucket', {
      BucketName: { 'Fn::Join': ['', Match.arrayWith(['paceline-qa-pages-'])] },
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            Event: 's3:ObjectCreated:*',
            Queue: { 'Fn::GetAtt': [queueId, 'Arn'] },
            Filter: { S3Key: { Rules: [{ Name: 'prefix', Value: 'imports/' }] } },
          },
        ],
      },
      CorsConfiguration: { CorsRules: [Match.objectLike({ AllowedMethods: ['PUT'] })] },
    });
    data.hasResourceProperties('AWS::S3::Bucket', {
      BucketName: { 'Fn::Join': ['', Match.arrayWith(['paceline-qa-auth-'])] },
      NotificationConfiguration: Match.absent(),
      CorsConfiguration: Match.absent(),
    });
  });

  test('only the pages bucket of this account may write to the import queue', () => {
    const policies = Object.values(data.findResources('AWS::SQS::QueuePolicy')).flatMap(
      (policy) => policy.Properties.PolicyDocument.Statement,
    );
    const allowed = policies.filter((statement) => statement.Effect === 'Allow');
    expect(allowed).toHaveLength(1);
    expect(allowed[0].Principal).toEqual({ Service: 's3.amazonaws.com' });
    expect(allowed[0].Action).toBe('sqs:SendMessage');
    expect(flatten(allowed[0].Condition.ArnEquals['aws:SourceArn'])).toBe(
      'arn:<AWS::Partition>:s3:::paceline-qa-pages-<AWS::AccountId>-<AWS::Region>',
    );
    expect(allowed[0].Condition.StringEquals).toEqual({ 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
  });
});

test('the lanes have one dead-letter queue, open to queues made later', () => {
  data.hasResourceProperties('AWS::SQS::Queue', {
    QueueName: 'paceline-qa-lanes-dlq.fifo',
    FifoQueue: true,
    RedriveAllowPolicy: { redrivePermission: 'allowAll' },
    MessageRetentionPeriod: 1_209_600,
  });
});

test('an import may be received three times and stays hidden longer than its function can run', () => {
  data.hasResourceProperties('AWS::SQS::Queue', {
    QueueName: 'paceline-qa-import',
    VisibilityTimeout: 960,
    RedrivePolicy: { maxReceiveCount: 3, deadLetterTargetArn: Match.anyValue() },
  });
});

test('removal=destroy leaves nothing behind', () => {
  const gone = synthesize({ stage: 'qa', removal: 'destroy' }).data;
  for (const type of ['AWS::DynamoDB::Table', 'AWS::S3::Bucket', 'AWS::KMS::Key']) {
    gone.allResources(type, { DeletionPolicy: 'Delete' });
  }
  gone.hasResourceProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: false });
  gone.resourceCountIs('Custom::S3AutoDeleteObjects', 2);
});
