import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { afterAll, describe, expect, test } from 'vitest';
import { buildApp } from '../../lib/infra/app.ts';
import { synthesize, type Templates } from './synthesis.ts';

const outdir = mkdtempSync(join(tmpdir(), 'paceline-app-'));
afterAll(() => rmSync(outdir, { recursive: true, force: true }));
const blue = namesIn(synthesize({ stage: 'blue' }));
const green = namesIn(synthesize({ stage: 'green' }));
const unbundled = { 'aws:cdk:bundling-stacks': [] };

/** Every value of a property that gives a resource its name in the account. */
function namesIn({ data, service }: Templates): string[] {
  const naming =
    /^(AlarmName|AliasName|BucketName|ClusterName|Family|FilterName|FunctionName|LogGroupName|Name|PolicyName|QueueName|ServiceName|TableName|GroupName)$/;
  return [data, service].flatMap((template) =>
    Object.values(template.toJSON().Resources as Record<string, { Type: string; Properties?: Record<string, unknown> }>)
      // A role's policy lives inside the role, an endpoint is named for its AWS service.
      .filter(({ Type }) => Type !== 'AWS::IAM::Policy' && Type !== 'AWS::EC2::VPCEndpoint')
      .flatMap(({ Properties = {} }) => Object.entries(Properties).filter(([key]) => naming.test(key)))
      .flatMap(([, value]) => (typeof value === 'string' ? [value] : firstOfJoin(value))),
  );
}

function firstOfJoin(value: unknown): string[] {
  const join = (value as { 'Fn::Join'?: [string, unknown[]] } | null)?.['Fn::Join'];
  return typeof join?.[1][0] === 'string' ? [join[1][0]] : [];
}

describe('stages', () => {
  test('two stages fit into one account: no physical name is the same, each carries its stage', () => {
    expect(blue.length).toBeGreaterThan(35);
    expect(blue.filter((name) => !/(^|[/-])paceline[-/]blue[-/]/.test(name))).toEqual([]);
    expect(blue.filter((name) => green.includes(name))).toEqual([]);
  });

  test('the stacks are named for the stage, dev by default', () => {
    const { dataStack, serviceStack } = buildApp({ context: unbundled, outdir });
    expect([dataStack.stackName, serviceStack.stackName]).toEqual(['Paceline-dev-Data', 'Paceline-dev-Service']);
  });

  test('fit any account and region: nothing is looked up', () => {
    const { dataStack, serviceStack } = buildApp({ stage: 'qa', context: unbundled, outdir });
    expect([dataStack.environment, serviceStack.environment]).toEqual([
      'aws://unknown-account/unknown-region',
      'aws://unknown-account/unknown-region',
    ]);
  });
});

describe('settings', () => {
  test.each([
    ['stage', 'Prod', 'stage: must be a lower-case letter and up to 11 more letters or digits'],
    ['stage', 'a-b', 'stage: must be a lower-case letter'],
    ['stage', 'abcdefghijklm', 'stage: must be a lower-case letter'],
    ['egress', 'nat', 'egress: '],
    ['hosts', '-1', 'hosts: '],
    ['hostCpu', '300', 'hostCpu: '],
    ['hostMemoryMiB', '100', 'hostMemoryMiB: must be 2 to 8 times hostCpu'],
    ['maxHosts', '0', 'maxHosts: must not be below hosts'],
    ['accountsPerHost', '9', 'accountsPerHost: '],
    // A host of 1,024 MiB takes 1,024: with all of them full the average would never be above the aim, and no host be added.
    [
      'accountsPerHost',
      '922',
      'accountsPerHost: must be at most 921, 90 % of the 1024 accounts that a host with 1024 MiB takes',
    ],
    ['connectsPerSec', '0', 'connectsPerSec: '],
    ['connectsPerSec', '101', 'connectsPerSec: '],
    // A delivery's first attempt is made at once; a wait before it would be ignored.
    ['webhookScheduleSec', '5,60', 'webhookScheduleSec: must be 0 and up to nineteen more whole numbers'],
  ])('%s=%s is refused with its reason', (name, value, reason) => {
    expect(() => buildApp({ context: { ...unbundled, [name]: value }, outdir })).toThrow(reason);
  });

  test.each([
    ['256', '512', '460', '461'],
    ['512', '1024', '921', '922'],
    ['1024', '4096', '1800', '1801'],
  ])(
    'hostCpu=%s and hostMemoryMiB=%s let the autoscaling aim at %s accounts a host, not at %s',
    (hostCpu, hostMemoryMiB, most, more) => {
      const aiming = (accountsPerHost: string) => () =>
        buildApp({ context: { ...unbundled, hostCpu, hostMemoryMiB, accountsPerHost }, outdir });
      expect(aiming(most)).not.toThrow();
      expect(aiming(more)).toThrow(`accountsPerHost: must be at most ${most}, 90 % of`);
    },
  );

  test('a memory that Fargate has not is the only thing named, whatever follows from it', () => {
    expect(() => buildApp({ context: { ...unbundled, hostMemoryMiB: '100' }, outdir })).toThrow(
      /^A setting is not valid: hostMemoryMiB: [^;]*$/,
    );
  });
});

describe('cdk-nag', () => {
  test('finds nothing that is not acknowledged', () => {
    const { app } = buildApp({ stage: 'qa', context: unbundled, outdir });
    expect(() => app.synth()).not.toThrow();
  });

  test('is really asked: one open bucket more and the synthesis fails', () => {
    const { app, dataStack } = buildApp({ stage: 'qa', context: unbundled, outdir });
    new Bucket(dataStack, 'Open');
    expect(() => app.synth()).toThrow('does not require requests to use SSL');
  });
});

test('stage local keeps nothing and needs no custom resource for it', () => {
  const { dataStack } = buildApp({ stage: 'local', context: unbundled, outdir });
  const template = Template.fromStack(dataStack);
  template.allResources('AWS::S3::Bucket', { DeletionPolicy: 'Delete' });
  template.resourceCountIs('Custom::S3AutoDeleteObjects', 0);
});
