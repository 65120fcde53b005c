import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi, tenantA } from '../api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

describe('keys', () => {
  it('none, a malformed one and an unknown one are 401', async () => {
    const unknown = `plk_${'A'.repeat(43)}`;
    for (const key of [undefined, 'nonsense', unknown, `${api.keyA}x`]) {
      const refused = await api.call('GET', '/v1/accounts', undefined, { key });
      expect(refused.status).toBe(401);
      expect(refused.json.code).toBe('UNAUTHENTICATED');
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
      expect(refused.headers.get('x-request-id')).toMatch(/^req_/);
    }
  });

  it('need the scope of the route, which the answer names', async () => {
    const reader = await api.makeKey(['read'], tenantA);
    const sender = await api.makeKey(['send'], tenantA);
    expect((await api.call('GET', '/v1/accounts', undefined, { key: reader })).status).toBe(200);
    const refused = await api.call('POST', '/v1/accounts', { name: 'x' }, { key: reader });
    expect([refused.status, refused.json.code]).toEqual([403, 'FORBIDDEN']);
    expect(refused.json.detail).toBe('This call needs a key with the scope "manage".');
    expect((await api.call('POST', '/v1/contracts', {}, { key: reader })).status).toBe(403);
    expect((await api.call('POST', '/v1/contracts', {}, { key: sender })).status).toBe(422);
    expect((await api.call('GET', '/v1/contracts', undefined, { key: sender })).status).toBe(403);
  });

  it('of admins are 403 on routes of tenants, and the other way round', async () => {
    expect((await api.call('GET', '/v1/accounts', undefined, { key: api.adminKey })).status).toBe(403);
    expect((await api.call('POST', '/v1/contracts', {}, { key: api.adminKey })).status).toBe(403);
    expect((await api.call('GET', '/v1/admin/tenants')).status).toBe(403);
    expect((await api.call('POST', '/v1/admin/plans', { name: 'x' })).status).toBe(403);
  });
});

describe('bodies', () => {
  it('that are no JSON are 400', async () => {
    for (const raw of ['{', 'name=x', '{"name":"x"} trailing']) {
      const refused = await api.call('POST', '/v1/accounts', undefined, { raw });
      expect([refused.status, refused.json.code]).toEqual([400, 'MALFORMED_JSON']);
    }
  });

  it('that are JSON of the wrong kind are 422', async () => {
    for (const raw of ['[]', 'null', '"x"', '5']) {
      const refused = await api.call('POST', '/v1/accounts', undefined, { raw });
      expect([refused.status, refused.json.code]).toEqual([422, 'VALIDATION']);
      expect(refused.json.detail).toBe('One field is not valid. The body must be a JSON object.');
    }
  });

  it('that are not UTF-8 are 400', async () => {
    const raw = new Uint8Array(Buffer.from('{"name":"Gr\xfc\xdfe"}', 'latin1'));
    const refused = await api.call('POST', '/v1/accounts', undefined, { raw });
    expect([refused.status, refused.json.code]).toEqual([400, 'MALFORMED_JSON']);
    expect(refused.json.detail).toBe('The body is not UTF-8; send JSON in UTF-8.');
  });

  it('with half of a character are 422, whichever field holds it', async () => {
    const value = 'The text contains half of a character (an unpaired surrogate); cut texts between characters.';
    const name =
      'The name of this field contains half of a character (an unpaired surrogate); cut texts between characters.';
    const refused = async (path: string, raw: string) => {
      const answer = await api.call('POST', path, undefined, { raw });
      expect([answer.status, answer.json.code]).toEqual([422, 'VALIDATION']);
      return answer.json.errors;
    };
    const to = '"phoneNumber":"79991234567"';
    const rows = `{"accountId":"acc_1","name":"x","recipients":[{${to},"message":"a"},{${to},"message":"b","externalId":"\\ud800"}]}`;
    expect(await refused('/v1/contracts', rows)).toEqual([
      { path: '/recipients/1/externalId', row: 2, code: 'INVALID', message: value },
    ]);
    expect(await refused('/v1/contracts', rows.replace('"b"', '"b \\uD83D"').replace('"\\ud800"', '"a"'))).toEqual([
      { path: '/recipients/1/message', row: 2, code: 'TEXT_CONTROL_CHARACTERS', message: value },
    ]);
    expect(await refused('/v1/accounts', '{"name":"x\\udfff"}')).toEqual([
      { path: '/name', code: 'INVALID', message: value },
    ]);
    expect(await refused('/v1/webhooks', '{"headers":{"x\\ud800":"y"}}')).toEqual([
      { path: '/headers/x\ufffd', code: 'INVALID', message: name },
    ]);
    expect(await refused('/v1/suppressions', '{"phoneNumber":"79991234567","reason":"\\udc00\\ud800"}')).toHaveLength(
      1,
    );
    const paired = await api.call('POST', '/v1/accounts', undefined, { raw: '{"name":"\\ud83d\\ude00 \\\\ud800"}' });
    expect([paired.status, paired.json.name]).toEqual([201, '\u{1f600} \\ud800']);
  });

  it('of halves spelt as bytes in paths and queries find nothing', async () => {
    for (const path of [
      '/v1/contracts/%ED%A0%80',
      '/v1/messages/%ED%A0%80',
      '/v1/suppressions/%ED%A0%80',
      '/v1/webhooks/%ED%A0%80',
    ])
      expect((await api.call('GET', path)).status).toBe(404);
    for (const query of ['externalId=%ED%A0%80', 'contractId=%ED%A0%80', 'to=%ED%A0%80', 'cursor=%ED%A0%80'])
      expect((await api.call('GET', `/v1/messages?${query}`)).status).toBeLessThan(500);
    const cursor = Buffer.from('{"l":"suppressions","b":"\\ud800"}').toString('base64url');
    expect((await api.call('GET', `/v1/suppressions?cursor=${cursor}`)).status).toBe(400);
  });

  it('get sentences about their fields', async () => {
    const body = { priority: 1.5, weight: 0, link: 'email', useLimits: 'yes', pacing: { gapMs: [1] }, colour: 'red' };
    const refused = await api.call('POST', '/v1/accounts', body);
    expect(refused.json.errors.map(({ path, message }) => [path, message])).toEqual([
      ['/name', 'This field is required.'],
      ['/priority', 'Must be a whole number.'],
      ['/weight', 'Must be at least 1.'],
      ['/useLimits', 'Must be true or false.'],
      ['/pacing/gapMs', 'Must have at least 2 entries.'],
      ['/link', 'Must be one of "qr", "pairing_code".'],
      ['/colour', 'There is no field "colour".'],
    ]);
  });

  it('are read as JSON whatever a client calls them, but not as forms', async () => {
    const headers = { 'content-type': 'text/plain' };
    expect((await api.call('POST', '/v1/accounts', { name: 'x' }, { headers })).status).toBe(201);
    const form = await api.call('POST', '/v1/accounts', undefined, {
      raw: '--x--',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    });
    expect([form.status, form.json.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  });

  it('that are missing are taken for empty', async () => {
    const refused = await api.call('POST', '/v1/accounts');
    expect([refused.status, refused.json.errors[0]?.code]).toEqual([422, 'REQUIRED']);
  });

  it('above 5 MB are 413, naming /import', async () => {
    const raw = `{"name":"${'x'.repeat(5 * 1024 * 1024)}"}`;
    const refused = await api.call('POST', '/v1/contracts', undefined, { raw });
    expect([refused.status, refused.json.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(refused.json.detail).toContain('/import');
    const answer = await api.call('POST', '/v1/contracts', undefined, {
      raw: '{}',
      headers: { 'content-length': '6000000' },
    });
    expect(answer.status).toBe(413);
  });
});

describe('paths and queries', () => {
  it('unknown ones are 404, known ones with another method 405', async () => {
    expect((await api.call('GET', '/v1/nothing')).json.code).toBe('NOT_FOUND');
    expect((await api.call('GET', '/nothing', undefined, { key: undefined })).status).toBe(404);
    const wrong = await api.call('PUT', '/v1/accounts');
    expect([wrong.status, wrong.json.code]).toEqual([405, 'METHOD_NOT_ALLOWED']);
    expect(wrong.json.detail).toBe('This path takes POST, GET.');
    expect(wrong.headers.get('allow')).toBe('POST, GET');
  });

  it('with a slash at the end are 404, and never a thing without a name', async () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const refused = await api.call(method, '/v1/accounts/');
      expect([refused.status, refused.json.detail]).toEqual([
        404,
        'There is nothing at this path. It ends with a slash; try it without. GET /openapi.json lists all.',
      ]);
    }
    const docs = await api.call('GET', '/docs/', undefined, { key: undefined });
    expect([docs.status, docs.headers.get('location')]).toEqual([308, '/docs']);
  });

  it('with parameters that do not exist are 422, naming them', async () => {
    const paths = ['accounts', 'contracts', 'messages', 'api-keys', 'audit', 'queues/status'];
    const contract = { accountId: await api.account(), name: 'x', recipients: [] };
    const { id } = (await api.call('POST', '/v1/contracts', contract)).json;
    for (const path of [...paths, `contracts/${id}/stats`]) {
      const refused = await api.call('GET', `/v1/${path}?staus=FAILED`);
      expect([path, refused.status]).toEqual([path, 422]);
      expect(refused.json.errors).toEqual([
        { path: '/staus', code: 'UNKNOWN_FIELD', message: 'There is no query parameter "staus".' },
      ]);
    }
  });

  it('what later releases bring is not there', async () => {
    for (const path of ['/v1/templates', '/v1/admin/proxies', '/v1/stats']) {
      expect((await api.call('GET', path)).status).toBe(404);
    }
    expect((await api.call('POST', '/v1/messages', {})).status).toBe(405);
  });

  it('ids of another form are 404', async () => {
    for (const id of ['x', 'acc_', 'con_01KAFXR2M6B8V4N3T7Q9Z5W1HC', 'acc_%23A', `acc_${'1'.repeat(3000)}`]) {
      expect((await api.call('GET', `/v1/accounts/${id}`)).status).toBe(404);
    }
  });

  it('bad limits are 422, bad cursors 400', async () => {
    for (const limit of ['0', '101', 'x', '1.5']) {
      const refused = await api.call('GET', `/v1/accounts?limit=${limit}`);
      expect([refused.status, refused.json.errors[0]?.path]).toEqual([422, '/limit']);
    }
    const foreign = Buffer.from('{"l":"contracts","b":"con_1"}').toString('base64url');
    for (const cursor of ['x', foreign, Buffer.from('{"l":"accounts","b":"T#other"}').toString('base64url')]) {
      const refused = await api.call('GET', `/v1/accounts?cursor=${cursor}`);
      expect([refused.status, refused.json.code]).toEqual([400, 'BAD_CURSOR']);
    }
    expect((await api.call('GET', '/v1/contracts?status=DELETED')).status).toBe(422);
  });
});

describe('what goes wrong inside', () => {
  it('is 500 without details, and logged with its id', async () => {
    const broken = await startApi({
      sqs: { send: () => Promise.reject(new Error('a secret detail')) } as never,
    });
    try {
      const failed = await broken.call('POST', '/v1/accounts', { name: 'x' });
      expect([failed.status, failed.json.code]).toEqual([500, 'INTERNAL']);
      expect(failed.text).not.toContain('secret');
      const id = failed.headers.get('x-request-id');
      expect(broken.logged[0]?.[1]).toMatchObject({ requestId: id, error: { message: 'a secret detail' } });
    } finally {
      await broken.stop();
    }
  });
});
