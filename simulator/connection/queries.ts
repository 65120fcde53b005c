import { bytesIn, child, children, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime } from '../world.ts';
import type { Connection } from './connection.ts';
import { unlink } from './linking.ts';
import { drain } from './login.ts';
import { answerPairing } from './pairing-code.ts';
import { countPreKeys, digestKeys, fetchKeys, rotateSignedPreKey, uploadPreKeys } from './prekeys.ts';
import { lookUp } from './usync.ts';

/** The content of a query's result, and an action for when the result has been sent; or the code of the error. */
export type Answer = { readonly content?: Stanza[]; readonly afterwards?: () => void } | { readonly refused: number };

const EMPTY: Answer = {};
const BAD_REQUEST: Answer = { refused: 400 };
const NOT_FOUND: Answer = { refused: 404 };
const NOT_ACCEPTABLE: Answer = { refused: 406 };
const UNKNOWN: Answer = { refused: 501 };
const SETTINGS = ['readreceipts', 'profile', 'status', 'online', 'last', 'groupadd', 'calladd', 'messages'];
/** Switches that Baileys reads: trust tokens on messages between two people, and issued to hidden addresses. */
const PROPS = { '10518': '1', '9666': '0', '14303': '1' };

/**
 * Returns the answer to a client's query, by namespace and first child. A linked device may ask everything; a device that waits to be linked may only
 * ping and ask about linking. Other queries get the error 501.
 */
export function answerQuery(connection: Connection, request: Stanza): Answer {
  const { xmlns = '', type } = request.attrs;
  const [first] = children(request);
  const name = `${xmlns} ${first?.tag ?? ''}`.trimEnd();
  if (name === 'w:p ping' || xmlns === 'w:p') return EMPTY;
  if (name === 'md link_code_companion_reg' && first) {
    const answer = answerPairing(connection, first);
    if (answer === undefined) return BAD_REQUEST;
    return Array.isArray(answer) ? { content: answer } : answer;
  }
  if (!connection.account) return UNKNOWN;
  if (xmlns === 'encrypt' && type === 'set' && child(request, 'list')) {
    return uploadPreKeys(connection.account, request) ? EMPTY : NOT_ACCEPTABLE;
  }
  switch (name) {
    case 'encrypt count':
      return { content: countPreKeys(connection.account) };
    case 'encrypt digest':
      return { content: digestKeys(connection.account) };
    case 'encrypt key':
      return { content: fetchKeys(connection.world, connection.account, first) };
    case 'encrypt rotate':
      return rotateSignedPreKey(connection.account, first) ? EMPTY : NOT_ACCEPTABLE;
    case 'passive active':
      return { afterwards: () => drain(connection) };
    case 'passive passive':
    case 'urn:xmpp:whatsapp:dirty clean':
    case 'w:stats add':
      return EMPTY;
    case 'usync usync':
      return { content: lookUp(connection, first) };
    case 'md remove-companion-device':
      return { afterwards: () => logOut(connection) };
    case 'abt props':
      return { content: [props()] };
    case 'blocklist':
      return type === 'get' ? { content: [stanza('list')] } : UNKNOWN;
    case 'privacy privacy':
      return type === 'get' ? { content: [privacy()] } : UNKNOWN;
    case 'w:profile:picture picture':
      return NOT_FOUND;
    case 'w:biz business_profile':
      return { content: [stanza('business_profile')] };
    case 'privacy tokens':
      return EMPTY;
    case 'w:g2 participating':
      return { content: [stanza('groups')] };
    case 'w:sync:app:state sync':
      return { content: [emptyCollections(first)] };
    case 'w:mex query':
      return { content: [graphQuery(connection, first)] };
    default:
      return UNKNOWN;
  }
}

function logOut(connection: Connection): void {
  const { account, world } = connection;
  if (!account) return;
  unlink(world, account);
  connection.close(stanza('stream:error', { code: '401' }, [stanza('conflict', { type: 'device_removed' })]));
}

function props(): Stanza {
  const list = Object.entries(PROPS).map(([code, value]) => stanza('prop', { config_code: code, config_value: value }));
  return stanza('props', { protocol: '1', hash: 'simulator', refresh: '86400' }, list);
}

const privacy = () =>
  stanza(
    'privacy',
    {},
    SETTINGS.map((name) => stanza('category', { name, value: 'all' })),
  );

function emptyCollections(sync: Stanza | undefined): Stanza {
  const collections = children(sync, 'collection');
  return stanza(
    'sync',
    {},
    collections.map(({ attrs }) => stanza('collection', { name: attrs.name, version: attrs.version })),
  );
}

/** Returns the reply to a graph query: the account has no restrictions, except a timelock that was ordered. */
function graphQuery({ account, world }: Connection, query: Stanza | undefined): Stanza {
  const lockedUntil = account === undefined ? 0 : world.faults.lockedUntil(account.number);
  const asked = bytesIn(query)?.toString() ?? '';
  const data = asked.includes('INDIVIDUAL_NEW_CHAT_MSG')
    ? { xwa2_message_capping_info: { total_quota: '1000', used_quota: '0', cycle_start_timestamp: stanzaTime(0) } }
    : {
        xwa2_fetch_account_reachout_timelock: {
          is_active: lockedUntil > world.clock(),
          time_enforcement_ends: lockedUntil > world.clock() ? stanzaTime(lockedUntil) : '0',
        },
      };
  return stanza('result', {}, Buffer.from(JSON.stringify({ data })));
}
