import { expect, it } from 'vitest';
import { codeOf, nameOf, productLayers, sources } from './sources.ts';

/**
 * Maps and sets that live as long as an object, and why each cannot grow for ever. A cache that only has to forget is a `boundedCache`
 * (lib/runtime/bounded-cache.ts) and needs no line.
 */
const bounds: Readonly<Record<string, string>> = {
  'functions/feed/broken.ts errors': 'contracts of one account in one feed request',
  'functions/sweep/unchanged.ts seen': 'replaced by each sweep with what that sweep found',
  'functions/webhook/rate-limiter.ts #nextStartMs': 'endpoints of one batch of ten messages',
  'functions/webhook/rate-limiter.ts #gapEndMs': 'endpoints of one batch of ten messages',
  'lib/accept/imports.ts #uploads': 'uploads under way; each leaves when it ends, and the reader waits for them',
  'lib/accept/warnings.ts #odd': 'rows of one request or file, of which there are 100,000 at most',
  'lib/domain/people/number-doubts.ts #found': 'one entry for each code of doubt, a closed list',
  'lib/runtime/egress/idle-connections.ts kept': 'connections are closed beyond `mostKept`',
  'lib/sending/admission.ts checked': 'replaced by each read with the addresses of that read',
  'lib/sending/receipts.ts waiting':
    'receipts not yet written; each leaves when it is, or with the last of its tries, ten seconds later',
  'socket-host/auth/merge-window.ts changed': '`maxNames` at most, then the window begins anew',
  'socket-host/baileys/acks.ts waiting':
    'messages on the wire; each leaves with its ack, its timeout or its connection',
  'socket-host/baileys/interrupts.ts waiting': 'waits of one session; each leaves when it ends',
  'socket-host/baileys/recipients.ts unchecked':
    'people whose further address was told on this connection; each leaves once it may be written to',
  'socket-host/connection/check.ts checks': 'connections of the host, MAX_ACCOUNTS at most',
  'socket-host/host/fleet.ts views': 'replaced by each look with the hosts of that look',
  'socket-host/host/host.ts accounts': 'accounts that the host owns: MAX_ACCOUNTS at most',
  'socket-host/host/handover.ts moving': 'accounts of the host that are being given away',
  'socket-host/host/placement.ts claiming': 'accounts being claimed, a few at a time',
  'socket-host/host/placement.ts waitingSince': 'replaced by each look with the accounts without an owner',
  'socket-host/host/placement.ts unsure':
    'accounts in the name of the host; each leaves when it is held, or given back',
  'socket-host/inbound/batches.ts open': 'chats with an open batch, which closes after ten seconds',
  'socket-host/inbound/confirmations.ts waiting': '`mostWaiting` at most',
  'socket-host/loop/ending-contracts.ts contracts':
    'running contracts of the account; each leaves when it is complete, all when the loop ends',
  'socket-host/loop/read-ahead.ts known': 'entries of one receive, ten at most',
};

/** Fields of classes, and variables of modules that start empty. */
const longLived = [
  /^ {2}(?:(?:private|protected|readonly|static) )*(#?\w+)(?:: [^=;\n]+)? = new (?:Map|Set)(?:<.*>)?\(/gm,
  /^(?:export )?(?:const|let) (\w+)(?:: [^=;\n]+)? = new (?:Map|Set)(?:<.*>)?\(\)/gm,
];

it('no map grows without a bound', () => {
  const found = productLayers.flatMap(sources).flatMap((file) => {
    const code = codeOf(file);
    return longLived.flatMap((form) => [...code.matchAll(form)].map(([, name]) => `${nameOf(file)} ${name}`));
  });
  expect(found.filter((name) => bounds[name] === undefined)).toEqual([]);
});
