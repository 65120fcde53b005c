import { describe, expect, test } from 'vitest';
import { classifyAck } from '../../../lib/domain/messages/send-outcome.ts';

const none = () => 0;
const most = () => 0.999999;

test('no error code means sent', () => {
  expect(classifyAck(undefined, 0, 1000, none)).toEqual({ kind: 'sent' });
  expect(classifyAck(undefined, 2, 1000, none)).toEqual({ kind: 'sent' });
});

describe('a message tried again waits', () => {
  test.each([
    [500, 0, 2000],
    [500, 1, 4000],
    [400, 0, 2000],
    [479, 0, 2000],
    [429, 0, 60_000],
    [429, 1, 120_000],
    [429, 2, 240_000],
    [429, 4, 960_000],
    [429, 5, 1_800_000],
    [429, 6, 1_800_000],
    [419, 0, 60_000],
    [419, 3, 480_000],
  ])('code %d after %d answers: %d ms, and up to a tenth more', (code, attempts, waitMs) => {
    const soonest = classifyAck(code, attempts, 1_000_000, none);
    const latest = classifyAck(code, attempts, 1_000_000, most);
    if (soonest.kind !== 'retry' || latest.kind !== 'retry') throw new Error('not tried again');
    expect(soonest.notBefore - 1_000_000).toBe(waitMs);
    expect(latest.notBefore - 1_000_000).toBeGreaterThan(waitMs);
    expect(latest.notBefore - 1_000_000).toBeLessThanOrEqual(waitMs * 1.1);
    expect(soonest.refreshDevices === true).toBe(code === 479);
  });
});

describe('a message given up names the code of the published list', () => {
  test.each([
    [463, 0, 'REACHOUT_RESTRICTED'],
    [479, 1, 'REJECTED'],
    [500, 2, 'REJECTED'],
    [500, 7, 'REJECTED'],
    [429, 7, 'RATE_LIMITED'],
    [419, 7, 'RATE_LIMITED'],
  ])('code %d after %d answers: %s', (code, attempts, expected) => {
    const outcome = classifyAck(code, attempts, 0, none);
    if (outcome.kind !== 'failed') throw new Error('not given up');
    expect(outcome.error.code).toBe(expected);
    expect(outcome.error.message).toContain(String(code));
  });
});
