import { expect } from 'vitest';
import { callApi } from '../../local/api-client.ts';
import type { LocalStack } from '../../local/stack.ts';
import { until } from '../harness/until.ts';

/** Links an account, orders a message by an uploaded file, and sees it arrive at a phone of the simulator at `simulatorUrl`. */
export async function orderByUpload(stack: LocalStack, simulatorUrl: string): Promise<void> {
  const api = callApi(stack.apiUrl, stack.apiKey);
  const phones = callApi(simulatorUrl);
  const { id: accountId } = await api<{ id: string }>('POST', '/v1/accounts', { name: 'Sender', useLimits: false });
  await phones('POST', '/phones', { number: '12025550199' });
  const { code } = await until('a code', () =>
    api<{ code: string }>('GET', `/v1/accounts/${accountId}/qr`).catch(() => undefined),
  );
  await phones('POST', '/phones/12025550199/scan', { code });
  await until('connected', async () => {
    const { status } = await api<{ status: string }>('GET', `/v1/accounts/${accountId}`);
    return status === 'connected';
  });
  const order = { accountId, name: 'Upload', recipients: [] };
  const { id } = await api<{ id: string }>('POST', '/v1/contracts', order);
  const upload = await api<{ uploadUrl: string; headers: Record<string, string> }>(
    'POST',
    `/v1/contracts/${id}/import`,
    { format: 'csv' },
  );
  const body = 'phoneNumber,message\n12015550100,Hello\n';
  expect((await fetch(upload.uploadUrl, { method: 'PUT', headers: upload.headers, body })).status).toBe(200);
  await until('read', async () => {
    const contract = await api<{ status: string }>('GET', `/v1/contracts/${id}`);
    return contract.status === 'PENDING';
  });
  await api('POST', `/v1/contracts/${id}/start`);
  await until('completed', async () => {
    const contract = await api<{ status: string }>('GET', `/v1/contracts/${id}`);
    return contract.status === 'COMPLETED';
  });
  const received = await phones<{ text: string; repeats: number }[]>('GET', '/phones/12015550100/messages');
  expect(received).toMatchObject([{ text: 'Hello', repeats: 0 }]);
}
