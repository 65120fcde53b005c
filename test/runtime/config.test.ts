import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { workQueues } from '../../lib/domain/queues.ts';
import { hostSettings, webhookSettings } from '../../lib/domain/settings.ts';
import { hostConfig } from '../../lib/runtime/config.ts';

const env = {
  STAGE: 'prod',
  TABLE_NAME: 'table',
  PAGES_BUCKET: 'pages',
  AUTH_BUCKET: 'auth',
  FEED_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/000000000000/feed',
  LANE_PREFIX: 'lane-',
  WAKE_QUEUE_PREFIX: 'inbox-',
  LANE_DLQ_ARN: 'arn:aws:sqs:eu-central-1:000000000000:dlq',
};

describe('the environment of a host', () => {
  test.each([
    ['DRAIN_SEC', 105],
    ['MAX_ACCOUNTS', 2000],
  ] as const)('without %s it is %d', (name, value) => {
    expect(hostConfig(env)[name]).toBe(value);
  });

  test.each([
    // ECS kills the task after 110 s, and the heartbeat and the wake queue have to go before that.
    ['DRAIN_SEC', '106'],
    ['DRAIN_SEC', '0'],
    ['MAX_ACCOUNTS', '0'],
    ['MAX_ACCOUNTS', 'many'],
  ])('%s=%s is refused by name', (name, value) => {
    expect(() => hostConfig({ ...env, [name]: value })).toThrow(`The environment is not complete: ${name}: `);
  });
});

describe('the documents', () => {
  const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  const settings = Object.entries({ ...hostSettings, ...webhookSettings });

  test.each(settings)('name the setting %s and its variable', (name, { variable }) => {
    expect(read('deploy.md')).toContain(`| \`${name}\` |`);
    expect(read('settings.md')).toContain(variable);
  });

  test.each(Object.values(workQueues).map(({ urlVariable }) => urlVariable))('name %s', (urlVariable) => {
    expect(read('settings.md')).toContain(urlVariable);
  });
});
