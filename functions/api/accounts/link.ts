import { createRoute, z } from '@hono/zod-openapi';
import { accepts } from 'hono/accepts';
import QRCode from 'qrcode';
import { confirmNumber, isLinked, readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import type { Account, AccountLink } from '../../../lib/domain/accounts/account.ts';
import {
  type PairingRefusal,
  pairingRefusalSentence,
  passkeySentence,
  tooManyCodes,
} from '../../../lib/domain/accounts/linking.ts';
import { accountView } from '../../../lib/domain/accounts/view.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { requiredSentence } from '../../../lib/domain/field-sentences.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { type ApiScope, originOf, tenantOf } from '../http/context.ts';
import { invalid } from '../http/field-errors.ts';
import { accountNumber } from '../http/numbers.ts';
import {
  type Api,
  answer,
  idempotencyHeader,
  idParam,
  isoTime,
  jsonBody,
  noBody,
  problems,
  secured,
  securedPost,
} from '../http/openapi.ts';
import { accountOf } from './accounts.ts';
import { accountSchema } from './schema.ts';

const tags = ['Linking'];

const code = { code: z.string(), attempt: z.int(), expiresAt: isoTime };
const linkSchema = z
  .object({ method: z.enum(['qr', 'pairing_code']), qr: z.string().optional(), ...code })
  .openapi('AccountLink', {
    description: '`qr` is a PNG as data URL, `code` the content of the QR code, or the pairing code.',
  });
const qrSchema = z.object({ qr: z.string(), ...code }).openapi('AccountQr');
const pairingSchema = z.object({ code: z.string(), expiresAt: isoTime }).openapi('PairingCode', {
  example: { code: 'ABCD1234', expiresAt: '2026-11-20T09:33:00.000Z' },
});

const pairingInput = z
  .strictObject({
    phoneNumber: z.string().max(64).optional(),
    to: z
      .string()
      .max(64)
      .optional()
      .openapi({ description: 'Another name of phoneNumber; one of the two is required.' }),
  })
  .openapi('PairingCodeInput', { example: { phoneNumber: '79991234567' } });

/** A call waits this long for the host's pairing code: less than the gateway's 29 s. */
const pairingWaitMs = 20_000;
const pairingPollMs = 250;

export function accountLinkRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/accounts/{id}/link',
      tags,
      summary: 'The code that links the account now',
      ...secured('read'),
      request: { params: idParam },
      responses: { 200: answer(linkSchema, 'The current code'), ...problems(401, 403, 404, 409) },
    }),
    async (c) => {
      const link = currentLink((await accountOf(c, scope)).account, deps.nowMs());
      const qr = link.method === 'qr' ? { qr: await QRCode.toDataURL(link.code) } : {};
      return c.json({ method: link.method, ...qr, ...codeView(link) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/accounts/{id}/qr',
      tags,
      summary: 'The QR code to scan, as JSON or as a picture (Accept)',
      ...secured('read'),
      request: { params: idParam },
      responses: {
        200: {
          description: 'The current QR code',
          content: {
            'application/json': { schema: qrSchema },
            'image/png': { schema: z.string().openapi({ format: 'binary' }) },
            'image/svg+xml': { schema: z.string() },
          },
        },
        ...problems(401, 403, 404, 409),
      },
    }),
    async (c) => {
      const link = currentLink((await accountOf(c, scope)).account, deps.nowMs());
      if (link.method !== 'qr') throw notAwaiting('The account is linked by pairing code: GET /v1/accounts/:id/link.');
      const wanted = accepts(c, {
        header: 'Accept',
        supports: ['application/json', 'image/png', 'image/svg+xml'],
        default: 'application/json',
      });
      if (wanted === 'image/png') {
        return c.body(new Uint8Array(await QRCode.toBuffer(link.code)), 200, { 'Content-Type': 'image/png' });
      }
      if (wanted === 'image/svg+xml') {
        return c.body(await QRCode.toString(link.code, { type: 'svg' }), 200, { 'Content-Type': 'image/svg+xml' });
      }
      return c.json({ qr: await QRCode.toDataURL(link.code), ...codeView(link) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/accounts/{id}/pairing-code',
      tags,
      summary: 'Ask for a pairing code, to be typed on the phone with this number',
      description:
        'Waits up to 20 s for a code of WhatsApp. When WhatsApp refuses, the answer says why, and the QR code stays valid.',
      ...securedPost(scope, 'manage'),
      request: {
        params: idParam,
        headers: idempotencyHeader,
        ...jsonBody(pairingInput),
      },
      responses: { 200: answer(pairingSchema, 'The code'), ...problems(400, 401, 403, 404, 409, 413, 422, 429, 503) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const { phoneNumber, to } = c.req.valid('json');
      if (phoneNumber !== undefined && to !== undefined) {
        throw invalid([{ path: '/to', code: 'INVALID', message: 'Send phoneNumber or to, not both.' }]);
      }
      const path = to === undefined ? '/phoneNumber' : '/to';
      const given = phoneNumber ?? to;
      if (given === undefined) throw invalid([{ path, code: 'REQUIRED', message: requiredSentence }]);
      const pair = await accountOf(c, scope);
      const number = accountNumber(given, tenant, path, pair.account).digits;
      if (isLinked(pair.account)) {
        throw notAwaiting('The account is linked; POST /v1/accounts/:id/logout first.');
      }
      const before = pair.account.link;
      const asked = originOf(c, deps);
      await setDesired(deps, asked, pair, 'connected', { pairingFor: number });
      // Real time, not the deps' clock: this waits for another process.
      const { monotonicMs, sleep } = systemClock;
      const untilMs = monotonicMs() + pairingWaitMs;
      while (monotonicMs() < untilMs) {
        const now = await readAccount(deps.table, tenant.id, pair.account.id);
        if (now === undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
        const { link, pairingFor, pairingRefused } = now.account;
        if (pairingRefused !== undefined && (pairingRefused.asked ?? 0) >= asked.at)
          throw noPairingCode(pairingRefused);
        if (pairingFor === undefined && link?.method === 'pairing_code' && link.code !== before?.code) {
          return c.json({ code: link.code, expiresAt: new Date(link.expiresAt).toISOString() }, 200);
        }
        await sleep(pairingPollMs);
      }
      throw new PacelineError(
        'UNAVAILABLE',
        'No pairing code came within 20 s; GET /v1/accounts/:id/link shows one that comes later.',
      );
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/accounts/{id}/confirm-number',
      tags,
      summary: 'Accept the number of the linked phone',
      description:
        'Ends statusReason number_changed: phoneNumber gets the value of linkedNumber. The account connects if that is desired. Its contracts ' +
        'continue from the new number, whose warm-up begins.',
      ...securedPost(scope, 'manage'),
      request: { params: idParam, headers: idempotencyHeader, ...noBody },
      responses: {
        200: answer(accountSchema, 'The account with its new number'),
        ...problems(400, 401, 403, 404, 409, 413, 422),
      },
    }),
    async (c) => {
      const pair = await confirmNumber(deps, originOf(c, deps), await accountOf(c, scope));
      return c.json(accountView(pair, undefined), 200);
    },
  );
}

const confirmOrLogout =
  'POST /v1/accounts/:id/confirm-number goes on with that number, POST /v1/accounts/:id/logout unlinks it';

function noPairingCode(refusal: PairingRefusal): PacelineError {
  const detail = pairingRefusalSentence(refusal);
  if (refusal.code === undefined) return new PacelineError('UNAVAILABLE', detail);
  return new PacelineError(refusal.code === tooManyCodes ? 'TOO_MANY_PAIRING_CODES' : 'PAIRING_CODE_REFUSED', detail);
}

function codeView(link: AccountLink) {
  return { code: link.code, attempt: link.attempt, expiresAt: new Date(link.expiresAt).toISOString() };
}

/** Returns the code that can be used now. Throws NOT_AWAITING_LINK. */
function currentLink(account: Account, nowMs: number): AccountLink {
  if (account.status !== 'awaiting_link' || account.link === undefined) {
    throw notAwaiting(whyNoCode(account));
  }
  if (account.link.expiresAt <= nowMs)
    throw notAwaiting('The last code has expired and the next one is not there yet; ask again in a second.');
  return account.link;
}

function whyNoCode(account: Account): string {
  const connect = 'POST /v1/accounts/:id/connect starts';
  if (account.statusReason === 'link_timeout') {
    return `No code was used in time, so the account is ${account.status}; ${connect} a new series of codes.`;
  }
  if (account.statusReason === 'passkey_required') return `${passkeySentence} ${connect} a new series of codes.`;
  if (account.linkedNumber !== undefined) {
    return `The account is linked with a phone of another number; ${confirmOrLogout}.`;
  }
  switch (account.status) {
    case 'connected':
      return 'The account is linked and connected; there is no code to link it with.';
    case 'created':
    case 'connecting':
    case 'awaiting_link':
      return account.desired === 'connected'
        ? 'The account is connecting and has no code yet; ask again in a second.'
        : `The account is disconnected; ${connect} it.`;
    case 'disconnected':
      return account.desired === 'connected' && isLinked(account)
        ? 'The account is linked and connects again by itself; there is no code to link it with.'
        : `The account is disconnected; ${connect} it.`;
    case 'logged_out':
    case 'failed':
      return `The account is ${account.status}; ${connect} a new series of codes.`;
    case 'restricted':
    case 'banned':
      return `The account is ${account.status}; there is no code to link it with.`;
    default:
      return account.status satisfies never;
  }
}

const notAwaiting = (detail: string) => new PacelineError('NOT_AWAITING_LINK', detail);
