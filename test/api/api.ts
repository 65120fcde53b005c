import { randomBytes } from 'node:crypto';
import { createApp } from '../../functions/api/app.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { ensureKey, newSecret, type Scope } from '../../lib/aws/tenants/api-keys.ts';
import { ensureTenant } from '../../lib/aws/tenants/tenants.ts';
import { contractIdKey, messageId } from '../../lib/domain/ids.ts';
import { createEgress } from '../../lib/runtime/egress/egress.ts';
import { countNothing } from '../../lib/runtime/metrics.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';

export const tenantA = 'ten_0000000000000000000000000A';
export const tenantB = 'ten_0000000000000000000000000B';

/** Tenant A's secret, put before the first call, so that tests can derive ids. */
const secretA = new Uint8Array(32).fill(7);

/** The id of the message of a row of one of tenant A's contracts. */
export const rowId = (contractId: string, row: number): string => messageId(contractIdKey(secretA, contractId), row);

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON; an empty object when it is none. */
  json: Body;
}

/** The fields tests look into; all others are `unknown` and compared whole. */
export interface Body {
  id: string;
  code: string;
  detail: string;
  errors: { path: string; row?: number; code: string; message: string }[];
  items: Body[];
  nextCursor: string | null;
  warnings: string[];
  counts: Record<string, number>;
  [field: string]: unknown;
}

export interface CallOptions {
  key?: string | undefined;
  headers?: Record<string, string>;
  /** Sent as it is; wins over `body`. */
  raw?: string | Uint8Array<ArrayBuffer>;
}

/** The API in this process over empty emulators, with two tenants, their keys, and an admin key. */
export async function startApi(overrides: Partial<Deps> = {}) {
  const emulators: Emulators = await startEmulators();
  const deps: Deps = { ...emulators.deps, ...overrides };
  const logged: unknown[][] = [];
  const note = (...args: unknown[]) => void logged.push(args);
  const app = createApp({
    deps,
    logger: { error: note, info: note, warn: note } as never,
    // Names are not looked up: what a test calls unknown does not resolve.
    egress: createEgress({
      allowLoopback: true,
      resolve: async (host) => (/unknown/.test(host) ? [] : ['93.184.216.34']),
    }),
    version: '1.2.3',
    count: countNothing,
  });
  await ensureTenant(deps, tenantA, { name: 'A' });
  await deps.table.put({ ...keys.tenantSecret(tenantA), type: 'tenantSecret', secret: secretA });
  await ensureTenant(deps, tenantB, { name: 'B', defaultCountry: 'DE' });
  const makeKey = async (scopes: Scope[], tenantId?: string): Promise<string> => {
    const secret = newSecret(tenantId === undefined, (n) => randomBytes(n));
    await ensureKey(deps, { name: scopes.join(), scopes, secret, ...(tenantId === undefined ? {} : { tenantId }) });
    return secret;
  };
  const keyA = await makeKey(['read', 'send', 'manage'], tenantA);
  const keyB = await makeKey(['read', 'send', 'manage'], tenantB);
  const adminKey = await makeKey(['admin']);

  /** A call with tenant A's key unless stated otherwise; `key: undefined` sends none. */
  async function call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const key = 'key' in options ? options.key : keyA;
    const sent = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await app.request(path, {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
  }

  return {
    app,
    call,
    deps,
    emulators,
    logged,
    keyA,
    keyB,
    adminKey,
    makeKey,
    stop: emulators.stop,
    /** A new account's id; with `connected` as a host would leave it once linked. */
    async account(settings: Record<string, unknown> = {}, options: { key?: string; connected?: boolean } = {}) {
      const made = await call('POST', '/v1/accounts', { name: 'Sender', ...settings }, { key: options.key ?? keyA });
      const id: string = made.json.id;
      if (options.connected === true) {
        await deps.table.update(keys.account(options.key === keyB ? tenantB : tenantA, id), {
          update: 'SET #s = :connected, linkedAt = :then',
          names: { '#s': 'status' },
          values: { ':connected': 'connected', ':then': Date.now() - 100 * 86_400_000 },
        });
      }
      return id;
    },
    /** Distinct valid numbers with a text each. */
    recipients: (count: number) =>
      Array.from({ length: count }, (_, i) => ({ phoneNumber: `+7999${1_000_000 + i}`, message: `Hello ${i}` })),
  };
}

export type Api = Awaited<ReturnType<typeof startApi>>;
