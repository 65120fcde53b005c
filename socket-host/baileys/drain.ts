import { after } from '../../lib/runtime/clock.ts';

/** Without a marker from the server, so long after the last waiting stanza everything counts as received. */
const quietMs = 5000;

/**
 * Calls back once when everything that waited at the server is handled. Then the session is open, the server has sent its marker (or has been
 * quiet), and no message is left. No time limit ends the wait for a message, because nothing may be sent before it is read. StanzaQueue ends the
 * connection when a message gets stuck.
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

  /** Call this for each stanza that had waited. */
  heard(): void {
    if (this.opened) this.waitForMarker();
  }

  /** Call this for each message that had waited, and `handled` after it. */
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

  /** Call this for the server's marker: nothing waits any more. */
  mark(): void {
    this.marked = true;
    this.cancelQuiet();
    this.check();
  }

  /** Call this when the session has ended. */
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
