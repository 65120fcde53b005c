import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { synthesize } from './synthesis.ts';

const { data, service } = synthesize({ stage: 'qa' });

/** How a link to a heading is written: lower case, words joined by hyphens, nothing else. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

describe('alarms', () => {
  test('each leads to a section of the runbook', () => {
    const links = [data, service].flatMap((template) =>
      Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties: alarm }) => [
        alarm.AlarmName,
        /What to do: docs\/runbook\.md#([a-z-]+)$/.exec(alarm.AlarmDescription)?.[1],
      ]),
    );
    expect(Object.fromEntries(links)).toEqual({
      'paceline-qa-lane-dead-letters': 'starved-lane',
      'paceline-qa-no-host': 'no-host',
      'paceline-qa-hosts-lost': 'host-killed',
      'paceline-qa-fences': 'stale-host',
      'paceline-qa-accounts-without-owner': 'accounts-without-a-host',
      'paceline-qa-contracts-stuck': 'contract-that-waits',
      'paceline-qa-api-errors': 'api',
      'paceline-qa-feed-errors': 'feed',
      'paceline-qa-feed-dead-letters': 'feed',
      'paceline-qa-feed-changes-errors': 'feed',
      'paceline-qa-feed-changes-dead-letters': 'feed',
      'paceline-qa-feed-iterator-age': 'feed',
      'paceline-qa-events-errors': 'events',
      'paceline-qa-events-dead-letters': 'events',
      'paceline-qa-events-iterator-age': 'events',
      'paceline-qa-events-parked': 'events',
      'paceline-qa-webhook-errors': 'webhooks',
      'paceline-qa-webhook-dead-letters': 'webhooks',
      'paceline-qa-webhook-later-dead-letters': 'webhooks',
      'paceline-qa-webhook-age': 'webhooks',
      'paceline-qa-inbound-parted': 'inbound',
      'paceline-qa-import-errors': 'import',
      'paceline-qa-import-dead-letters': 'import',
      'paceline-qa-sweep-errors': 'sweep',
      'paceline-qa-sweep-failures': 'sweep',
      'paceline-qa-sweep-not-running': 'sweep',
    });
    const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    const headings = [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
    expect(links.filter(([, section]) => !headings.includes(String(section)))).toEqual([]);
  });

  test('on metrics of the functions are of its stage, and a metric that is not sent raises no alarm', () => {
    const told = Object.values(service.findResources('AWS::CloudWatch::Alarm'))
      .map(({ Properties }) => Properties)
      .filter(({ Namespace }) => String(Namespace).startsWith('Paceline'));
    expect(told.map(({ MetricName }) => MetricName).sort()).toEqual([
      'AccountsWithoutOwner',
      'ContractsStuck',
      'Failures',
      'Fences',
      'HostsLost',
      'RecordsParked',
    ]);
    for (const { MetricName, Namespace, Dimensions, Threshold, TreatMissingData } of told) {
      expect([MetricName, Namespace, Threshold, TreatMissingData]).toEqual([
        MetricName,
        'Paceline/qa',
        1,
        'notBreaching',
      ]);
      // The log line of a fence has no service of its own.
      const service = MetricName === 'RecordsParked' ? 'events' : 'sweep';
      expect(Dimensions).toEqual(MetricName === 'Fences' ? undefined : [{ Name: 'service', Value: service }]);
    }
  });

  test('fire although a minute has none of the sweep’s values and the next one two: it may end a little later than the one before', () => {
    const told = Object.values(service.findResources('AWS::CloudWatch::Alarm'))
      .map(({ Properties }) => Properties)
      .filter(({ Namespace, Period }) => String(Namespace).startsWith('Paceline') && Period === 60);
    expect(told.map(({ MetricName }) => MetricName).sort()).toEqual([
      'AccountsWithoutOwner',
      'ContractsStuck',
      'Failures',
    ]);
    for (const { MetricName, EvaluationPeriods, DatapointsToAlarm } of told)
      expect([MetricName, EvaluationPeriods, DatapointsToAlarm]).toEqual([MetricName, 5, 3]);
  });

  describe('of inbound messages that do not come through', () => {
    const [alarm] = Object.values(
      service.findResources('AWS::CloudWatch::Alarm', { Properties: { AlarmName: 'paceline-qa-inbound-parted' } }),
    ).map(({ Properties }) => Properties);
    interface Told {
      Id: string;
      Expression?: string;
      MetricStat?: { Metric: object; Period: number; Stat: string };
    }
    const metrics: Told[] = alarm?.Metrics ?? [];

    test('counts them at each step, of the stage and of nothing finer', () => {
      const from = (Value: string) => ({ Dimensions: [{ Name: 'service', Value }] });
      const told = metrics.flatMap(({ Id, MetricStat }) => (MetricStat === undefined ? [] : [[Id, MetricStat]]));
      const stat = (MetricName: string, more = {}) => ({
        Metric: { Namespace: 'Paceline/qa', MetricName, ...more },
        Period: 900,
        Stat: 'Sum',
      });
      expect(Object.fromEntries(told)).toEqual({
        received: stat('InboundReceived'),
        stored: stat('InboundStored'),
        evented: stat('InboundEvented', from('events')),
        planned: stat('InboundPlanned', from('events')),
        taken: stat('InboundTaken', from('webhook')),
      });
      for (const [name, field] of [
        ['InboundReceived', 'received'],
        ['InboundStored', 'stored'],
      ]) {
        service.hasResourceProperties('AWS::Logs::MetricFilter', {
          FilterPattern: `{ $.inbound.${field} > 0 }`,
          MetricTransformations: [
            { MetricNamespace: 'Paceline/qa', MetricName: name, MetricValue: `$.inbound.${field}` },
          ],
        });
      }
    });

    /** What CloudWatch makes of the expression; a name without a value is a metric without data. */
    const parted = (values: Record<string, number>): boolean => {
      const [{ Expression = '' } = { Expression: '' }] = metrics.filter((one) => one.Expression !== undefined);
      const filled = Expression.replace(/FILL\((\w+), 0\)/g, (_, name) => String(values[name] ?? 0));
      expect(filled).toMatch(/^[\d\s()>\-/OR]+$/);
      return filled.split(' OR ').some((one) => {
        const [, before = '', after = '', again = ''] = /^\((\d+) - (\d+) > (\d+) \/ 10\)$/.exec(one) ?? [];
        expect(before).toBe(again);
        expect(before).not.toBe('');
        return Number(before) - Number(after) > Number(before) / 10;
      });
    };
    const all = { received: 100, stored: 100, evented: 100, planned: 200, taken: 200 };

    test.each([
      [{ received: 112 }, true],
      [{ received: 111 }, false],
      [{ evented: 89 }, true],
      [{ evented: 91 }, false],
      [{ planned: 300 }, true],
      // Nobody listens, or somebody has it sent again.
      [{ planned: 0, taken: 0 }, false],
      [{ evented: 500, taken: 900 }, false],
      [{ evented: 0, planned: 0, taken: 0 }, true],
    ])('with %j it is %s', (more, expected) => {
      expect(parted({ ...all, ...more })).toBe(expected);
    });

    test('is silent while nothing comes, and once a step is missing altogether it is not', () => {
      expect(parted({})).toBe(false);
      expect(parted({ received: 1 })).toBe(true);
      expect(parted({ received: 1, stored: 1 })).toBe(true);
      expect(alarm).toMatchObject({
        Threshold: 1,
        EvaluationPeriods: 8,
        DatapointsToAlarm: 3,
        TreatMissingData: 'notBreaching',
      });
    });
  });

  test('a sweep that does not run is one, although nothing is told then', () => {
    service.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmName: 'paceline-qa-sweep-not-running',
      Namespace: 'AWS/Lambda',
      MetricName: 'Invocations',
      EvaluationPeriods: 5,
      Period: 60,
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      TreatMissingData: 'breaching',
    });
  });

  test('notify the given topic', () => {
    const topic = 'arn:aws:sns:eu-central-1:123456789012:pager';
    const told = synthesize({ stage: 'qa', alarmTopicArn: topic });
    told.data.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic] });
    told.service.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic] });
  });
});
