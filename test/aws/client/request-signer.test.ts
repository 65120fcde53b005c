import { describe, expect, it } from 'vitest';
import { RequestSigner } from '../../../lib/aws/client/request-signer.ts';
import { judgeSignature } from './sigv4.ts';

const put = {
  method: 'PUT',
  path: '/paceline-auth/ten_1/acc_2/log/000000000003',
  headers: {
    host: 's3.eu-west-1.amazonaws.com',
    'content-length': '7',
    'content-type': 'application/octet-stream',
    'if-none-match': '*',
  },
  body: new TextEncoder().encode('segment'),
};
const call = {
  method: 'POST',
  path: '/',
  headers: {
    host: 'dynamodb.eu-west-1.amazonaws.com',
    'content-length': '2',
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': 'DynamoDB_20120810.GetItem',
  },
  body: '{}',
};
const lasting = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const borrowed = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'another', sessionToken: 'token/+=' };
const scope = (at: string, service: string) => ({ date: new Date(at), region: 'eu-west-1', service });

describe('requests signed by Signature Version 4', () => {
  it('carry the signatures of the SDK', () => {
    const signer = new RequestSigner();
    const of = (headers: Record<string, string>) => headers.authorization?.replace(/.*Signature=/, '');
    // Made by @smithy/signature-v4 5.x with the same requests, keys and dates.
    expect(of(signer.sign(put, lasting, scope('2026-03-01T12:00:05.678Z', 's3')))).toBe(
      'b24fdf8fd67b2a99501c5ea8683f9a3069bb992d6dc85bdf78a9d40733caadf0',
    );
    expect(of(signer.sign(call, lasting, scope('2026-03-01T12:00:05Z', 'dynamodb')))).toBe(
      'aa0d75267a2f4d0af10e3670d4440764b21c731463d2bf9ebe4b9dcd61e94946',
    );
    expect(of(signer.sign(call, borrowed, scope('2026-03-02T00:00:00Z', 'dynamodb')))).toBe(
      '90189c59dcfc563bf2f277bc154f80f9b44c158127917b81434049c6a48860de',
    );
  });

  it.each([
    ['a lasting key', lasting],
    ['a borrowed one', borrowed],
  ])('are found right by the rules, with %s, over midnight and between services', (_name, by) => {
    const signer = new RequestSigner();
    for (const at of ['2026-03-01T23:59:59Z', '2026-03-02T00:00:00Z', '2026-03-01T23:59:59Z']) {
      for (const [request, service] of [
        [put, 's3'],
        [call, 'dynamodb'],
      ] as const) {
        const { accessKeyId, ...secret } = by;
        const headers = signer.sign(request, by, scope(at, service));
        const received = { method: request.method, url: request.path, headers, body: Buffer.from(request.body) };
        const expected = { service, region: 'eu-west-1', nowMs: Date.parse(at), secrets: { [accessKeyId]: secret } };
        expect(judgeSignature(received, expected)).toBe('right');
        expect(judgeSignature({ ...received, body: Buffer.from('other') }, expected)).not.toBe('right');
      }
    }
  });
});
