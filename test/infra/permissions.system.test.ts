import { describe, expect, test } from 'vitest';
import { type Statement, statementsOf, synthesize } from './synthesis.ts';

const { service } = synthesize({ stage: 'qa' });

const roles = {
  api: statementsOf(service, 'ApiHandlerRole'),
  feed: statementsOf(service, 'FeedHandlerRole'),
  changes: statementsOf(service, 'FeedChangesRole'),
  events: statementsOf(service, 'EventsHandlerRole'),
  webhook: statementsOf(service, 'WebhookHandlerRole'),
  import: statementsOf(service, 'ImportHandlerRole'),
  sweep: statementsOf(service, 'SweepHandlerRole'),
  host: statementsOf(service, 'SocketHostTaskTaskRole'),
};
const lanes = 'arn:<AWS::Partition>:sqs:<AWS::Region>:<AWS::AccountId>:paceline-qa-lane-*';
const wakeQueues = 'arn:<AWS::Partition>:sqs:<AWS::Region>:<AWS::AccountId>:paceline-qa-inbox-*';
const pages = 'arn:<AWS::Partition>:s3:::paceline-qa-pages-<AWS::AccountId>-<AWS::Region>/pages/*';
const imports = 'arn:<AWS::Partition>:s3:::paceline-qa-pages-<AWS::AccountId>-<AWS::Region>/imports/*';
const exported = 'arn:<AWS::Partition>:s3:::paceline-qa-pages-<AWS::AccountId>-<AWS::Region>/exports/*';
const parked = 'arn:<AWS::Partition>:s3:::paceline-qa-pages-<AWS::AccountId>-<AWS::Region>/parked/*';
const auth = 'arn:<AWS::Partition>:s3:::paceline-qa-auth-<AWS::AccountId>-<AWS::Region>/*';

/** The sorted actions of a role on one resource. */
function on(statements: Statement[], resource: string): string[] {
  return statements
    .filter((one) => one.resources.includes(resource))
    .flatMap((one) => one.actions)
    .sort();
}

describe.each(Object.entries(roles))('%s', (_name, statements) => {
  test('names every action, and every resource or the prefix of its stage', () => {
    expect(statements.length).toBeGreaterThan(1);
    const actions = statements.flatMap((one) => one.actions);
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
    const allowed = new Set([lanes, wakeQueues, pages, imports, exported, parked, auth]);
    const open = statements.flatMap((one) => one.resources.filter((arn) => arn.includes('*') && !allowed.has(arn)));
    const withoutResource = new Set(['sqs:ListQueues', 'dynamodb:ListStreams']);
    const unexplained = statements.filter(
      (one) => one.resources.includes('*') && !one.actions.every((action) => withoutResource.has(action)),
    );
    expect(unexplained).toEqual([]);
    expect(open.filter((arn) => arn !== '*')).toEqual([]);
  });

  test('never scans or manages the table, and uses the key through one service only', () => {
    const actions = statements.flatMap((one) => one.actions);
    for (const action of ['dynamodb:Scan', 'dynamodb:DeleteTable', 'dynamodb:UpdateTable', 'kms:CreateGrant']) {
      expect(actions).not.toContain(action);
    }
    const encrypting = statements.filter((one) =>
      one.actions.some((action) => /^kms:(Encrypt|GenerateDataKey)/.test(action)),
    );
    for (const statement of encrypting) expect(statement.conditions.StringEquals).toHaveProperty('kms:ViaService');
  });
});

test('lanes: the API makes them, the feed fills and removes them, the host empties them, nobody else sees them', () => {
  expect(on(roles.api, lanes)).toContain('sqs:CreateQueue');
  expect(on(roles.api, lanes)).not.toContain('sqs:SendMessage');
  expect(on(roles.feed, lanes)).toEqual(['sqs:DeleteQueue', 'sqs:GetQueueUrl', 'sqs:SendMessage']);
  expect(on(roles.host, lanes)).toEqual(['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:ReceiveMessage']);
  expect(on(roles.sweep, lanes)).toEqual([]);
  expect(on(roles.import, lanes)).toEqual([]);
  expect(on(roles.changes, lanes)).toEqual([]);
});

test('wake queues: only a host receives, only the sweep cleans up after others', () => {
  expect(on(roles.host, wakeQueues)).toContain('sqs:ReceiveMessage');
  expect(on(roles.feed, wakeQueues)).toEqual(['sqs:SendMessage']);
  expect(on(roles.sweep, wakeQueues)).toEqual(['sqs:DeleteQueue', 'sqs:SendMessage']);
  expect(on(roles.import, wakeQueues)).toEqual([]);
});

test('objects: only the host reaches the auth bucket, and it reaches no other', () => {
  expect(on(roles.host, auth)).toEqual(['s3:DeleteObject', 's3:GetObject', 's3:PutObject']);
  for (const role of [roles.api, roles.feed, roles.changes, roles.events, roles.webhook, roles.import, roles.sweep])
    expect(on(role, auth)).toEqual([]);
  expect(on(roles.host, pages)).toEqual([]);
  expect(on(roles.host, imports)).toEqual([]);
  expect(on(roles.import, imports)).toEqual(['s3:GetObject']);
  expect(on(roles.import, pages)).toEqual(['s3:DeleteObject', 's3:PutObject']);
  expect(on(roles.feed, pages)).toEqual(['s3:DeleteObject', 's3:GetObject']);
  expect(on(roles.api, pages)).toEqual(['s3:GetObject', 's3:PutObject']);
  expect(on(roles.api, imports)).toEqual(['s3:PutObject']);
  expect(on(roles.events, parked)).toEqual(['s3:PutObject']);
  for (const objects of [pages, imports, exported]) expect(on(roles.events, objects)).toEqual([]);
});

test('the index: only the sweep and the host ask it', () => {
  const asks = Object.entries(roles)
    .filter(([, statements]) => statements.some((one) => one.resources.some((arn) => arn.endsWith('/index/finder'))))
    .map(([name]) => name);
  expect(asks).toEqual(['sweep', 'host']);
});

test('the webhook function, which talks to foreign hosts, can do its job and nothing else', () => {
  const items = roles.webhook.filter((one) => one.actions.some((action) => action.startsWith('dynamodb:')));
  const below = (action: string) =>
    items
      .filter(({ actions }) => actions.includes(action))
      .flatMap(({ conditions }) => conditions['ForAllValues:StringLike']?.['dynamodb:LeadingKeys']);
  const tenants = `T#ten_${'?'.repeat(26)}`;
  expect(below('dynamodb:GetItem')).toEqual(['T#*']);
  expect(below('dynamodb:PutItem')).toEqual(['T#*#W#*']);
  expect(below('dynamodb:DeleteItem')).toEqual(['T#*#W#*']);
  expect(below('dynamodb:UpdateItem')).toEqual(['T#*#W#*', tenants]);
  const others = roles.webhook.filter((one) => !items.includes(one));
  expect(new Set(others.flatMap(({ actions }) => actions.map((action) => action.split(':')[0])))).toEqual(
    new Set(['kms', 'logs', 'sqs']),
  );
  const queues = others.filter(({ actions }) => actions.some((action) => action.startsWith('sqs:')));
  for (const arn of queues.flatMap(({ resources }) => resources)) expect(arn).toMatch(/^<WebhookQueues(Due|Later)/);
});

test('the stream reader has no rights on items', () => {
  expect(roles.changes.flatMap((one) => one.actions).filter((action) => /Item$|Query/.test(action))).toEqual([]);
});

test('no role carries a managed policy', () => {
  for (const [id, role] of Object.entries(service.findResources('AWS::IAM::Role'))) {
    // The one custom resource of the CDK: it removes the rules of the VPC's default security group.
    if (id.startsWith('CustomVpcRestrictDefaultSG')) continue;
    expect(role.Properties.ManagedPolicyArns, id).toBeUndefined();
  }
});
