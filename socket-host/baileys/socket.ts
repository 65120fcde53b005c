import type { EventEmitter } from 'node:events';
import {
  type AuthenticationCreds,
  type BinaryNode,
  DEFAULT_CONNECTION_CONFIG,
  makeWASocket,
  proto,
  type SignalKeyStore,
  type SocketConfig,
  type WASocket,
  type WAVersion,
} from '@whiskeysockets/baileys';
import type { Content } from '../../lib/domain/content.ts';
import { after } from '../../lib/runtime/clock.ts';
import type { AccountCaches } from './caches.ts';
import { browser } from './link-codes.ts';
import { sentAgain } from './outgoing.ts';
import { baileysLogger, type TransportLogger } from './redaction.ts';
import { isIgnored } from './stanzas.ts';

export interface SocketOptions {
  /** Default: the address of WhatsApp. */
  url?: string | undefined;
  version: WAVersion;
  creds: AuthenticationCreds;
  caches: AccountCaches;
  logger: TransportLogger;
  connectTimeoutMs: number;
  qrTimeoutMs: number;
  makeSignalRepository: SocketConfig['makeSignalRepository'];
  /** Returns the content sent under a WhatsApp id, for a device (its address) that asks for it again. */
  contentFor(whatsappId: string, device: string): Content | undefined;
  /**
   * Called with each `<receipt>`. The receipt is acked once this resolves. If this rejects, it stays unacked and WhatsApp sends it again on the
   * next connection. Baileys answers the retry request with which this resolves; anything else it only acks.
   */
  receiptTaken(node: BinaryNode): Promise<BinaryNode | undefined>;
  /** Called with each `<message>`. Call `handle` when those before it are done: it hands the stanza to Baileys and settles when that is done. */
  messageTaken(node: BinaryNode, handle: (node: BinaryNode) => Promise<void>): Promise<void>;
  /** Called when a handler of Baileys fails. `event` is `message` when a frame could not be read; the next frames cannot be read either. */
  onHandlerFailed(event: string, error: unknown): void;
  /** Called when the server refuses the upgrade, with its HTTP status. */
  onUpgradeRefused(status: number | undefined): void;
}

/** The time that the server has to answer a close before the connection is cut. */
const closeTimeoutMs = 2000;
/** Queries of a login and of a first message fail after this without an answer; Baileys' default is a minute. */
const queryTimeoutMs = 30_000;
/** The longest interval of a timer: 25 days. */
const neverMs = 2_147_483_647;
const { INITIAL_BOOTSTRAP, PUSH_NAME } = proto.HistorySync.HistorySyncType;

/** Starts a Baileys socket for a gateway that only sends and reads texts. */
export function connectSocket(options: SocketOptions): WASocket {
  const { url, version, creds, caches, logger, connectTimeoutMs, qrTimeoutMs } = options;
  const sock = makeWASocket({
    ...(url === undefined ? {} : { waWebSocketUrl: url }),
    version,
    auth: { creds, keys: placeholderKeys },
    makeSignalRepository: options.makeSignalRepository,
    logger: baileysLogger(logger),
    browser,
    connectTimeoutMs,
    defaultQueryTimeoutMs: queryTimeoutMs,
    // The host pings by itself: Baileys' own pings would double the traffic and do not show how long the answer took.
    keepAliveIntervalMs: neverMs,
    qrTimeout: qrTimeoutMs,
    // An exit's `agent`, `fetchAgent` and `options.dispatcher` belong here, all three: an account that has one never connects without.
    markOnlineOnConnect: false,
    emitOwnEvents: false,
    syncFullHistory: false,
    // Enough for the LIDs of numbers. Without the chats there is nothing to wait for after the first login.
    shouldSyncHistoryMessage: ({ syncType }) => syncType === INITIAL_BOOTSTRAP || syncType === PUSH_NAME,
    // The answers say, among other things, whether trust tokens go with messages.
    fireInitQueries: true,
    generateHighQualityLinkPreview: false,
    enableRecentMessageCache: false,
    shouldIgnoreJid: isIgnored,
    // Reads and writes go to the store, see durableRepository: nothing is left to commit, and nothing to try again.
    transactionOpts: { maxCommitRetries: 1, delayBetweenTriesMs: 0 },
    userDevicesCache: caches.devices,
    msgRetryCounterCache: caches.retries,
    // A message that cannot be read must not delay others: Baileys holds its message lock for two seconds before it asks the phone for a copy, and
    // a quarter of a second after each request to the sender. The phone's copy would be of no use here, so it counts as asked for.
    placeholderResendCache: askedAlready,
    retryRequestDelayMs: 0,
    callOfferCache: caches.calls,
    getMessage: async ({ id, participant }) => {
      const content = id && participant ? options.contentFor(id, participant) : undefined;
      return content === undefined ? undefined : sentAgain(content);
    },
    patchMessageBeforeSending: onceADevice,
  });
  catchHandlers(sock.ws, options.onHandlerFailed);
  sock.ws.on('unexpected-response', (request: Destroyable, response: { statusCode?: number } & Destroyable) => {
    // Without this the socket would neither open nor close: `ws` leaves a refused upgrade to the listener.
    options.onUpgradeRefused(response.statusCode);
    response.destroy();
    request.destroy();
  });
  holdReceipts(sock, (node) => options.receiptTaken(node));
  takeMessages(sock.ws, (node, handle) => options.messageTaken(node, handle));
  cutUnansweredClose(sock.ws);
  // Baileys would answer error acks by queries of its own (a trust token after a 463). The account decides what follows.
  sock.ws.removeAllListeners('CB:ack,class:message');
  return sock;
}

/** The url Baileys connects to by default. */
export const whatsappUrl = String(DEFAULT_CONNECTION_CONFIG.waWebSocketUrl);

/** Says of every message that the phone has been asked for a copy already. So Baileys does not ask for one. */
const askedAlready: NonNullable<SocketConfig['placeholderResendCache']> = {
  get: <T>() => true as T,
  set() {},
  del() {},
  flushAll() {},
};

/** Never used: durableRepository replaces Baileys' view of the keys while the socket is being made. */
const placeholderKeys: SignalKeyStore = {
  get() {
    throw new Error('keys are read through durableRepository');
  },
  set() {
    throw new Error('keys are written through durableRepository');
  },
};

/**
 * Catches errors of Baileys' handlers. Baileys registers async handlers on this emitter and does not await them: a rejection would end the process,
 * and with it every other account.
 */
function catchHandlers(ws: EventEmitter, failed: (event: string, error: unknown) => void): void {
  ws.emit = (event, ...parts) => {
    if (ws.listenerCount(event) === 0) return false;
    for (const listener of ws.rawListeners(event)) {
      try {
        const result: unknown = Reflect.apply(listener, ws, parts);
        if (result instanceof Promise) result.catch((error) => failed(String(event), error));
      } catch (error) {
        failed(String(event), error);
      }
    }
    return true;
  };
}

/**
 * Lets Baileys' handler wait for each receipt by itself, and gives it only retry requests to answer. Otherwise it acks every receipt, also one that
 * fails, and answers retry requests of any person.
 */
function holdReceipts(sock: WASocket, taken: (node: BinaryNode) => Promise<BinaryNode | undefined>): void {
  const ws: EventEmitter = sock.ws;
  const handlers = ws.rawListeners('CB:receipt');
  ws.removeAllListeners('CB:receipt');
  ws.on('CB:receipt', async (node: BinaryNode) => {
    const request = await taken(node);
    if (request === undefined) await sock.sendMessageAck(node);
    else for (const handle of handlers) await Reflect.apply(handle, ws, [request]);
  });
}

/**
 * Makes one copy for each device. In the chat of an account with itself Baileys counts each device twice: as one of the recipient and as one of the
 * sender.
 */
const onceADevice: NonNullable<SocketConfig['patchMessageBeforeSending']> = (message, devices = []) => {
  const distinct = new Set(devices);
  if (distinct.size === devices.length) return message;
  // Baileys reads the message from the field of this name; its type says that the fields stand beside `recipientJid`.
  const patches = [...distinct].map((recipientJid) => ({ recipientJid, message }));
  return patches as unknown as ReturnType<typeof onceADevice>;
};

/**
 * Lets `taken` decide when each message is handled. Baileys lets messages overtake each other: new ones pass those that had waited at the server,
 * and they pass the first message of a person while Baileys notes its hidden id.
 */
function takeMessages(ws: EventEmitter, taken: SocketOptions['messageTaken']): void {
  const handlers = ws.rawListeners('CB:message');
  ws.removeAllListeners('CB:message');
  ws.on('CB:message', (node: BinaryNode) =>
    taken(node, async (given) => {
      // Baileys puts a stanza with this attribute into a queue of its own, which does not show when the message is handled.
      const { offline: _offline, ...attrs } = given.attrs;
      for (const handle of handlers) await Reflect.apply(handle, ws, [{ ...given, attrs }]);
    }),
  );
}

/** Cuts a close that the server does not answer: Baileys waits without a limit. Only the raw socket, which is not public, can be cut. */
function cutUnansweredClose(ws: WASocket['ws']): void {
  const close = ws.close.bind(ws);
  ws.close = async () => {
    const raw: unknown = Reflect.get(ws, 'socket');
    const cancel = after(closeTimeoutMs, () => {
      if (isTerminable(raw)) raw.terminate();
    });
    try {
      await close();
    } finally {
      cancel();
    }
  };
}

function isTerminable(raw: unknown): raw is { terminate(): void } {
  return typeof raw === 'object' && raw !== null && 'terminate' in raw && typeof raw.terminate === 'function';
}

type Destroyable = { destroy(): void };
