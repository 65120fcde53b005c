import { execFileSync, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { expect, it } from 'vitest';

it('a test whose name asks for nothing cannot start a process', () => {
  expect(() => spawn('true')).toThrow('A unit test must not start true: name the file `.system.test.ts`.');
  expect(() => execFileSync('true')).toThrow('must not start true');
});

it('a test whose name asks for nothing cannot connect to another machine', () => {
  expect(() => connect(443, '203.0.113.1')).toThrow('A unit test must not connect to 203.0.113.1');
  expect(() => connect({ port: 443, host: '203.0.113.1' })).toThrow('must not connect');
});
