import type { WebSocket } from 'ws';
import type { Account } from '../accounts.ts';
import { NoiseServer } from '../wire/noise.ts';
import { decodeStanza, encodeStanza, type Stanza } from '../wire/stanza.ts';
import type { World } from '../world.ts';
import type { LinkOffer } from './linking.ts';
import { greet } from './login.ts';
import { route } from './route.ts';

/**
 * One client's connection:
 *   handshake -> linking  (a device without account: waits to be scanned; ends with 515)
 *   handshake -> draining (logged in; a passive client is not yet ready for its waiting stanzas) -> live
 *   any -> closed
 */
export type ConnectionState = 'handshake' | 'linking' | 'draining' | 'live' | 'closed';

/** The time a client has to answer a request of the server. */
const ANSWER_LIMIT_MS = 10_000;
/** The time a client has to close after the last stanza. With a close frame right behind that stanza, some clients lose the stanza. */
const CLOSE_LIMIT_MS = 2_000;

type Waiting = { readonly answer: (stanza: Stanza) => void; readonly fail: (error: Error) => void };

export class Connection {
  readonly world: World;
  readonly #socket: WebSocket;
  readonly #noise: NoiseServer;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #requests = new Map<string, Waiting>();
  readonly #ending = new AbortController();
  #answered = false;
  /** Set once the last stanza was sent. Later frames are not read. */
  #closing = false;
  #outgoing: Stanza[] = [];
  #nextId = 1;
  state: ConnectionState = 'handshake';
  /** The account that is logged in. */
  account: Account | undefined;
  /** The linking offer of a device that waits to be linked. */
  offer: LinkOffer | undefined;

  constructor(world: World, socket: WebSocket) {
    this.world = world;
    this.#socket = socket;
    this.#noise = new NoiseServer(world.server.staticKey, world.server.certificates);
    socket.on('message', (data) => this.#receive(asBuffer(data)));
    socket.on('close', () => this.#ended());
    socket.on('error', () => socket.terminate());
  }

  /** Sends a stanza, in order, once all changes so far are durable. */
  send(stanza: Stanza): void {
    if (this.state === 'closed' || this.#closing) return;
    this.#outgoing.push(stanza);
    if (this.#outgoing.length === 1) this.world.storage.whenDurable(() => this.#flush());
  }

  /** Sends a request and returns its result. Rejects when the client returns an error, does not answer within ten seconds or disconnects. */
  request(stanza: Stanza): Promise<Stanza> {
    const id = this.newId();
    return new Promise((resolve, reject) => {
      const timer = this.later(ANSWER_LIMIT_MS, () => waiting.fail(new Error('The client did not answer.')));
      const forget = () => {
        this.#requests.delete(id);
        clearTimeout(timer);
      };
      const waiting: Waiting = {
        answer: (answer) => {
          forget();
          if (answer.attrs.type === 'result') resolve(answer);
          else reject(new Error('The client refused.'));
        },
        fail: (error) => {
          forget();
          reject(error);
        },
      };
      this.#requests.set(id, waiting);
      this.send({ ...stanza, attrs: { ...stanza.attrs, id } });
    });
  }

  /** Gives a result to the request that waits for it. */
  answered(answer: Stanza): void {
    this.#requests.get(answer.attrs.id ?? '')?.answer(answer);
  }

  /** Aborts when the connection has ended. */
  get ended(): AbortSignal {
    return this.#ending.signal;
  }

  /** Returns an id for a stanza of the server. */
  newId(): string {
    return `sim-${this.#nextId++}`;
  }

  /** Runs `action` after the delay, unless the connection ends first. */
  later(delayMs: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }

  /** Sends a last stanza and lets the client close. Cuts the connection if the client has not closed it within two seconds. */
  close(last: Stanza): void {
    if (this.state === 'closed' || this.#closing) return;
    this.send(last);
    this.#closing = true;
    this.world.storage.whenDurable(() => {
      const limit = setTimeout(() => this.#socket.terminate(), CLOSE_LIMIT_MS);
      this.#socket.once('close', () => clearTimeout(limit));
      this.#ended();
    });
  }

  /** Ends the connection without a stanza, as a network failure does. */
  drop(): void {
    this.#socket.terminate();
    this.#ended();
  }

  #receive(data: Buffer): void {
    try {
      for (const frame of this.#noise.frames(data)) {
        if (this.state === 'closed' || this.#closing) return;
        if (this.#noise.open) route(this, decodeStanza(this.#noise.read(frame)));
        else this.#shakeHands(frame);
      }
    } catch (error) {
      this.world.logger.warn(
        { reason: error instanceof Error ? error.message : 'unknown' },
        'connection ended: unreadable',
      );
      this.drop();
    }
  }

  #shakeHands(frame: Buffer): void {
    if (!this.#answered) {
      this.#answered = true;
      this.#socket.send(this.#noise.answer(frame));
    } else greet(this, this.#noise.finish(frame));
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    try {
      for (const stanza of outgoing) this.#socket.send(this.#noise.write(encodeStanza(stanza)));
    } catch {
      // A stanza that cannot be written must not end the connections of other accounts.
      this.world.logger.warn({ tags: outgoing.map(({ tag }) => tag) }, 'connection ended: unwritable');
      this.drop();
    }
  }

  #ended(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.world.connections.remove(this);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#ending.abort();
    for (const request of [...this.#requests.values()]) request.fail(new Error('The connection was closed.'));
  }
}

function asBuffer(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
