import { after } from '../../lib/runtime/clock.ts';

/** Without a marker from the server, everything is taken to have come this long after the last waiting stanza. */
const quietMs = 5000;

/**
 * Tells once when everything that waited at the server has been dealt with: the session is open, the server has sent its marker (or has
 * been quiet), and every message that waited is handled. No time limit ends the wait for a message: nothing may be sent before it is read.
 * StanzaQueue ends the connection when a message gets stuck.
 */
export class Drain {
  private readonly drained: () => void;
  private messages = 0;
  private opened = false;
  private marked = false;
  private done = false;
  private cancelQuiet: () => void = () => {};

  constructor(drained: () => void) {
    this.drained = drained;
  }

  /** Any stanza that had waited has come. */
  heard(): void {
    if (this.opened) this.waitForMarker();
  }

  /** A message that had waited has come; `handled` follows for each. */
  arrived(): void {
    this.messages += 1;
  }

  handled(): void {
    this.messages -= 1;
    this.check();
  }

  open(): void {
    this.opened = true;
    this.waitForMarker();
    this.check();
  }

  /** The server says that nothing waits any more. */
  mark(): void {
    this.marked = true;
    this.cancelQuiet();
    this.check();
  }

  /** The session has ended. */
  end(): void {
    this.done = true;
    this.cancelQuiet();
  }

  private waitForMarker(): void {
    if (this.done || this.marked) return;
    this.cancelQuiet();
    this.cancelQuiet = after(quietMs, () => this.mark());
  }

  private check(): void {
    if (this.done || !this.opened || !this.marked || this.messages > 0) return;
    this.end();
    this.drained();
  }
}
