import { type Hold, type StatusPatch, saveStatus } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Account, type AccountLink, isOtherNumber, numberNotes } from '../../lib/domain/accounts/account.ts';
import { slowWarning } from '../../lib/domain/accounts/connection-check.ts';
import { type Halt, type HaltFields, haltFields } from '../../lib/domain/accounts/halt.ts';
import { pairingRefusalSentence, withLinkingWarning } from '../../lib/domain/accounts/linking.ts';
import type { HostDeps } from '../deps.ts';

export type Patch = { [K in keyof StatusPatch]: StatusPatch[K] | undefined };

/** The account's item as its owner reads and writes it, with a copy in memory. */
export class AccountRecord {
  readonly hold: Hold;
  private readonly deps: HostDeps;
  private readonly refused: (why: string) => void;
  private view: Account;
  private saves = 0;
  /** A halt that could not be written yet, with the tenant's request (`asked`) before it. */
  private unwritten: (HaltFields & Patch) | undefined;

  /** `refused` is called when a write shows that this host does not own the account any more. */
  constructor(deps: HostDeps, hold: Hold, account: Account, refused: (why: string) => void) {
    this.deps = deps;
    this.hold = hold;
    this.view = account;
    this.refused = refused;
  }

  get account(): Account {
    return this.view;
  }

  /** Reads the item again. Returns undefined when it does not exist any more. */
  async read(): Promise<Account | undefined> {
    for (;;) {
      const { saves } = this;
      const account = await this.deps.table.get<Account>(keys.account(this.hold.tenantId, this.hold.accountId));
      // The answer may lack a write made meanwhile.
      if (account !== undefined && this.saves !== saves) continue;
      if (account !== undefined) this.view = account;
      return account;
    }
  }

  /**
   * Writes status fields; a field given as undefined is removed. A new status gets the time and the tenant's last request (`asked`). Returns
   * false when this host does not own the account any more.
   */
  async save(patch: Patch): Promise<boolean> {
    const changed = patch.status !== undefined && patch.status !== this.view.status;
    const stamps = { statusSince: this.deps.clock.nowMs(), statusAsked: this.view.asked };
    const full: Patch = changed ? { ...stamps, ...patch } : { ...patch };
    // The warning was about the previous connection.
    if (changed && this.view.warnings.includes(slowWarning)) {
      full.warnings = this.view.warnings.filter((warning) => warning !== slowWarning);
    }
    if (!(await saveStatus(this.deps.table, this.hold, full))) {
      this.refused('the status could not be written');
      return false;
    }
    this.saves += 1;
    const view: Record<string, unknown> = { ...this.view, ...full };
    for (const [name, value] of Object.entries(full)) if (value === undefined) delete view[name];
    this.view = view as unknown as Account;
    return true;
  }

  /**
   * Writes why the account stops. If the write fails, `writeHalt` writes it before the next connection. Returns false when this host does not
   * own the account any more.
   */
  async halt(halt: Halt): Promise<boolean> {
    const fields = haltFields(halt, this.view, this.deps.clock.nowMs());
    // `asked` as it is now: a request that the tenant makes before a late write is not yet heard.
    this.unwritten = { statusAsked: this.view.asked, ...fields };
    return await this.writeUnwritten(this.unwritten);
  }

  /** Writes a halt that could not be written when the account stopped. Call this before anything else is done for the account. */
  async writeHalt(): Promise<void> {
    const { unwritten } = this;
    if (unwritten === undefined) return;
    const { linkedNumber } = unwritten;
    // The write succeeded although its answer was lost, and the tenant has confirmed the number since.
    if (linkedNumber !== undefined && !isOtherNumber(this.view, linkedNumber)) this.unwritten = undefined;
    else await this.writeUnwritten(unwritten);
  }

  /** Writes again that the tenant has to confirm the number, after a logout that was begun and withdrawn. */
  async awaitConfirmation(): Promise<void> {
    // If the status is there already, the tenant may be confirming at this moment.
    if (this.view.statusReason === 'number_changed') return;
    await this.save({ status: 'disconnected', statusReason: 'number_changed' });
  }

  /**
   * Returns true if the account must not send from the phone with this number: another number than its own needs the tenant's confirmation.
   * Returns false while the device is to be logged out.
   */
  forbids(phoneNumber: string): boolean {
    return this.view.desired !== 'logged_out' && isOtherNumber(this.view, phoneNumber);
  }

  /** Writes the number of a phone that was linked, or the halt if the number is not the account's own. */
  async linked(phoneNumber: string): Promise<void> {
    // The tenant may have named another number meanwhile.
    await this.read();
    if (isOtherNumber(this.view, phoneNumber)) await this.halt({ kind: 'number_changed', linkedNumber: phoneNumber });
    else await this.save({ phoneNumber, ...this.newLink(phoneNumber), link: undefined, pairingFor: undefined });
  }

  /** Writes that the phone with this number is logged in. */
  async connected(phoneNumber: string): Promise<void> {
    await this.save({
      status: 'connected',
      statusReason: undefined,
      restrictedUntil: undefined,
      link: undefined,
      pairingFor: undefined,
      phoneNumber,
      // An earlier host linked the phone and ended before it could write the link.
      ...(this.view.linkedAt === undefined && this.newLink(phoneNumber)),
    });
  }

  /** Writes the code with which the account can be linked now. */
  async showLink(link: AccountLink): Promise<void> {
    const patch: Patch = { status: 'awaiting_link', statusReason: undefined, link, pairingFor: undefined };
    if (link.method === 'pairing_code') Object.assign(patch, this.withoutLinkingWarning, { pairingRefused: undefined });
    await this.save(patch);
  }

  /** Writes that the network gave no pairing code. `code` is its error code; undefined when it did not answer. */
  async refusePairing(code: number | undefined): Promise<void> {
    const { asked } = this.view;
    const pairingRefused = {
      ...(code === undefined ? {} : { code }),
      ...(asked === undefined ? {} : { asked }),
    };
    const warnings = withLinkingWarning(this.view.warnings, pairingRefusalSentence(pairingRefused));
    await this.save({ pairingFor: undefined, pairingRefused, warnings });
  }

  /** Adds a warning for the tenant, or removes it when it does not hold any more. The last ten are kept. */
  async warn(warning: string, holds = true): Promise<void> {
    if (this.view.warnings.includes(warning) === holds) return;
    const others = this.view.warnings.filter((other) => other !== warning);
    await this.save({ warnings: holds ? [...others, warning].slice(-10) : others });
  }

  /** Returns the fields of a new link. The number that was linked last keeps its warm-up; another number starts its own. */
  private newLink(phoneNumber: string): Patch {
    const linkedAt = this.deps.clock.nowMs();
    const { warnings, ...notes } = numberNotes(this.view, phoneNumber, linkedAt);
    return {
      linkedAt,
      pairingRefused: undefined,
      ...notes,
      warnings: withLinkingWarning(warnings ?? this.view.warnings, undefined),
    };
  }

  private get withoutLinkingWarning(): Pick<Patch, 'warnings'> {
    const warnings = withLinkingWarning(this.view.warnings, undefined);
    return warnings.length === this.view.warnings.length ? {} : { warnings };
  }

  private async writeUnwritten(fields: HaltFields & Patch): Promise<boolean> {
    const stood = await this.save(fields);
    this.unwritten = undefined;
    return stood;
  }
}
