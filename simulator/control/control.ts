import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { LinkRefused, type PasskeyDemanded, scan } from '../connection/linking.ts';
import { notifyOfIdentity, tokenNotice } from '../connection/notices.ts';
import { enterCode } from '../connection/pairing-code.ts';
import { oweOrdered } from '../connection/receipts.ts';
import { FAULT_KINDS } from '../faults.ts';
import { voteMessage } from '../phones/contents.ts';
import type { Phone } from '../phones/phone.ts';
import { writeMessage } from '../phones/writing.ts';
import { lidJid, numberJid } from '../wire/jid.ts';
import type { World } from '../world.ts';
import { applyFault, liftFaults } from './disturb.ts';
import { answer, asNumber, bodyOf, Problem, pathOf, type Reply } from './http.ts';
import { messageOf, receiptIn, Written } from './written.ts';

const number = z.string().regex(/^\d{5,15}$/, 'A number has 5 to 15 digits and nothing else.');
const milliseconds = z.int().min(0).max(86_400_000);

const NewPhone = z.strictObject({
  number,
  name: z.string().min(1).max(100).optional(),
  behaviour: z
    .strictObject({
      deliver: z.boolean().optional(),
      read: z.boolean().optional(),
      delayMs: milliseconds.optional(),
      readDelayMs: milliseconds.optional(),
      onWhatsApp: z.boolean().optional(),
      passkey: z.enum(['none', 'required']).optional(),
      answersAs: number.optional(),
      devices: z.int().min(1).max(8).optional(),
    })
    .optional(),
});
const Code = z.strictObject({ code: z.string().min(1).max(4000) });
const Fault = z.strictObject({
  account: number.optional(),
  kind: z.enum(FAULT_KINDS),
  code: z.int().min(100).max(999).optional(),
  count: z.int().min(1).max(1_000_000).optional(),
  ms: milliseconds.optional(),
});

type Route = {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: (request: IncomingMessage, parameter: string) => Promise<Reply> | Reply;
};

/** Returns the handler of the HTTP control API, which docs/simulator.md describes. */
export function control(world: World, whatsappUrl: () => string) {
  const routes = routesOf(world, whatsappUrl);
  return (request: IncomingMessage, response: ServerResponse): void => {
    const path = pathOf(request);
    void answer(response, world, async () => {
      const matching = routes.filter((route) => route.path.test(path));
      const route = matching.find((candidate) => candidate.method === request.method);
      if (route) return route.handle(request, route.path.exec(path)?.[1] ?? '');
      if (matching.length > 0) {
        const methods = matching.map(({ method }) => method).join(', ');
        response.setHeader('allow', methods);
        throw new Problem(405, 'METHOD_NOT_ALLOWED', `This path takes ${methods}.`);
      }
      throw new Problem(404, 'NOT_FOUND', 'There is nothing under this path.');
    });
  };
}

function routesOf(world: World, whatsappUrl: () => string): Route[] {
  const phoneOf = (parameter: string) => world.directory.phone(asNumber(parameter));
  return [
    {
      method: 'POST',
      path: /^\/phones$/,
      async handle(request) {
        const { number, name, behaviour = {} } = await bodyOf(request, NewPhone);
        const given = Object.fromEntries(Object.entries(behaviour).filter(([, value]) => value !== undefined));
        return { status: 201, body: shown(world.directory.create(number, name, given)) };
      },
    },
    {
      method: 'POST',
      path: /^\/phones\/([^/]+)\/scan$/,
      async handle(request, parameter) {
        const { code } = await bodyOf(request, Code);
        return linked(() => scan(world, phoneOf(parameter), code));
      },
    },
    {
      method: 'POST',
      path: /^\/phones\/([^/]+)\/enter-code$/,
      async handle(request, parameter) {
        const { code } = await bodyOf(request, Code);
        return linked(() => enterCode(world, phoneOf(parameter), code));
      },
    },
    {
      method: 'POST',
      path: /^\/phones\/([^/]+)\/send$/,
      async handle(request, parameter) {
        const from = asNumber(parameter);
        const order = await bodyOf(request, Written);
        const { to, hidden, addressing, corrupt, ...written } = order;
        if (world.accounts.list(to).every((account) => account.state === 'unlinked')) {
          throw new Problem(422, 'UNKNOWN_ACCOUNT', `No account is linked with the number ${to}.`);
        }
        const phone = world.directory.phone(from);
        if (!phone.facts.behaviour.onWhatsApp) {
          throw new Problem(422, 'NOT_ON_WHATSAPP', `The phone ${from} is not on WhatsApp.`);
        }
        const receipt = receiptIn(order);
        if (receipt) {
          for (const account of world.accounts.list(to)) {
            if (account.state !== 'unlinked') oweOrdered(world, account, phone, receipt);
          }
          return { status: 201, body: { id: receipt.ids[0], from, to } };
        }
        if (written.token) return { status: 201, body: { token: giveToken(world, phone, to), from, to } };
        const lid = hidden === true || addressing === 'lid';
        const message = written.vote
          ? voteOf(world, phone, to, written.vote, lid)
          : messageOf(written, to, phone, world.clock());
        const id = writeMessage(world, phone, to, message, { addressing, hidden, corrupt });
        return { status: 201, body: { id, from, to } };
      },
    },
    {
      method: 'POST',
      path: /^\/phones\/([^/]+)\/reinstall$/,
      handle(_request, parameter) {
        const phone = phoneOf(parameter);
        notifyOfIdentity(world, phone, phone.reinstall());
        return { status: 200, body: shown(phone) };
      },
    },
    {
      method: 'GET',
      path: /^\/phones\/([^/]+)\/messages$/,
      handle: (_request, parameter) => ({
        status: 200,
        body: world.received.list(receiverOf(world, parameter)),
      }),
    },
    {
      method: 'GET',
      path: /^\/totals$/,
      handle: () => ({ status: 200, body: world.counts.totals(world.connections.count) }),
    },
    { method: 'GET', path: /^\/accounts$/, handle: () => ({ status: 200, body: accountsOf(world) }) },
    {
      method: 'GET',
      path: /^\/accounts\/([^/]+)\/wire$/,
      handle: (_request, parameter) => ({ status: 200, body: world.wire.of(asNumber(parameter)) }),
    },
    {
      method: 'GET',
      path: /^\/connections$/,
      handle: () => ({ status: 200, body: { changes: world.connections.changes } }),
    },
    {
      method: 'GET',
      path: /^\/root-key$/,
      handle: () => ({ status: 200, body: { rootKeyHex: world.server.rootKeyHex, whatsappUrl: whatsappUrl() } }),
    },
    {
      method: 'POST',
      path: /^\/faults$/,
      async handle(request) {
        const order = await bodyOf(request, Fault);
        return { status: 201, body: { ...order, applied: applyFault(world, order) } };
      },
    },
    {
      method: 'DELETE',
      path: /^\/faults$/,
      handle() {
        liftFaults(world);
        return { status: 204 };
      },
    },
  ];
}

/** Returns the receiver that a path names: a phone, or one of its devices as `number:device`. */
function receiverOf(world: World, parameter: string): string {
  const [number = '', device] = parameter.split(':');
  const phone = world.directory.numberOf(asNumber(number));
  return device === undefined ? phone : `${phone}:${device}`;
}

/** Returns the phone's vote in a poll that it has received. Throws 422 when it has no such poll, or the poll has no such choice. */
function voteOf(
  world: World,
  phone: Phone,
  to: string,
  { id, choices }: { id: string; choices: string[] },
  lid: boolean,
) {
  const { poll, secret } = world.received.poll(phone.number, id) ?? {};
  if (!poll || secret === undefined) {
    throw new Problem(422, 'UNKNOWN_POLL', `The phone ${phone.number} has received no poll ${id}.`);
  }
  const missing = choices.find((choice) => !poll.options.includes(choice));
  if (missing !== undefined) throw new Problem(422, 'UNKNOWN_CHOICE', `The poll ${id} has no option "${missing}".`);
  const account = world.directory.phone(to);
  const [creator, voter] = [account, phone].map((of) => (lid ? lidJid(of.facts.lid) : numberJid(of.address)));
  return voteMessage({ pollId: id, secret, creator: creator ?? '', voter: voter ?? '', choices, atMs: world.clock() });
}

/** Gives the phone's privacy token to the connected devices of a number. Returns the token in hex. */
function giveToken(world: World, phone: Phone, to: string): string {
  const token = randomBytes(16);
  for (const connection of world.connections.loggedIn(to)) {
    if (connection.account && connection.state === 'live')
      connection.send(tokenNotice(connection, connection.account, phone, token));
  }
  return token.toString('hex');
}

const shown = ({ facts }: Phone) => ({ number: facts.number, name: facts.name, behaviour: facts.behaviour });

const accountsOf = (world: World) =>
  world.accounts.list().map((account) => ({
    number: account.number,
    jid: account.jid,
    lid: account.lidJid,
    state: account.state,
    connected: world.connections.of(account.jid) !== undefined,
    linkedAt: new Date(account.linkedAtMs).toISOString(),
    preKeysLeft: account.preKeysLeft,
  }));

async function linked(
  link: () => Promise<{ number: string; jid: string; lidJid: string } | PasskeyDemanded>,
): Promise<Reply> {
  try {
    const result = await link();
    if ('passkey' in result) return { status: 200, body: result };
    return { status: 200, body: { number: result.number, jid: result.jid, lid: result.lidJid } };
  } catch (error) {
    if (error instanceof LinkRefused) throw new Problem(422, 'LINK_REFUSED', error.message, { cause: error });
    throw error;
  }
}
