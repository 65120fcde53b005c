import { setTimeout as sleep } from 'node:timers/promises';
import QRCode from 'qrcode';
import type { LocalStack } from './stack.ts';

const LOOK_EVERY_MS = 2000;

/** Prints the QR or pairing code of each account that waits to be linked, and each new code, until the signal. */
export async function showLinkCodes(
  stack: Pick<LocalStack, 'apiUrl' | 'apiKey'>,
  signal: AbortSignal,
  print: (text: string) => void = console.log,
): Promise<void> {
  const shown = new Map<string, string>();
  const get = async (path: string): Promise<Record<string, unknown> | undefined> => {
    const response = await fetch(stack.apiUrl + path, { headers: { authorization: `Bearer ${stack.apiKey}` }, signal });
    const body = (await response.json()) as Record<string, unknown>;
    return response.ok ? body : undefined;
  };
  while (!signal.aborted) {
    try {
      const { items = [] } = (await get('/v1/accounts?limit=100')) ?? {};
      for (const account of Array.isArray(items) ? items : []) {
        if (account.status !== 'awaiting_link') continue;
        const link = await get(`/v1/accounts/${account.id}/link`);
        const code = typeof link?.code === 'string' ? link.code : undefined;
        if (code === undefined || shown.get(account.id) === code) continue;
        shown.set(account.id, code);
        print(
          link?.method === 'pairing_code'
            ? `\nLink "${account.name}": enter ${code} in WhatsApp under Linked devices, Link with phone number.`
            : `\nLink "${account.name}": scan this in WhatsApp under Linked devices.\n${await QRCode.toString(code, { type: 'terminal', small: true })}`,
        );
      }
    } catch {
      // The API is restarting, or this process is ending: the next round tries again.
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
