import { type Hold, type StatusPatch, saveStatus } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Account, type AccountLink, numberNotes } from '../../lib/domain/accounts/account.ts';
import { slowWarning } from '../../lib/domain/accounts/connection-check.ts';
import { pairingRefusalSentence, withLinkingWarning } from '../../lib/domain/accounts/linking.ts';
import type { HostDeps } from '../deps.ts';

export type Patch = { [K in keyof StatusPatch]: StatusPatch[K] | undefined };

/** The account's item as its owner sees and writes it: a view in memory, kept in step with the table. */
export class AccountRecord {
  readonly hold: Hold;
  private readonly deps: HostDeps;
  private readonly refused: (why: string) => void;
  private view: Account;
  private saves = 0;

  /** `refused` is told when a write shows that the account is not ours any more. */
  constructor(deps: HostDeps, hold: Hold, account: Account, refused: (why: string) => void) {
    this.deps = deps;
    this.hold = hold;
    this.view = account;
    this.refused = refused;
  }

  get account(): Account {
    return this.view;
  }

  /** Reads the item anew; undefined when the account is gone. */
  async read(): Promise<Account | undefined> {
    for (;;) {
      const { saves } = this;
      const account = await this.deps.table.get<Account>(keys.account(this.hold.tenantId, this.hold.accountId));
      // What was written meanwhile may not be in it.
      if (account !== undefined && this.saves !== saves) continue;
      if (account !== undefined) this.view = account;
      return account;
    }
  }

  /**
   * Writes status fields; a field given as undefined is removed. A new status is stamped with the time and the wish it follows. False: the
   * account is not ours any more.
   */
  async save(patch: Patch): Promise<boolean> {
    const changed = patch.status !== undefined && patch.status !== this.view.status;
    const stamps = { statusSince: this.deps.clock.nowMs(), statusAsked: this.view.asked };
    const full: Patch = changed ? { ...stamps, ...patch } : { ...patch };
    // What was said of a connection ends with it.
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

  /** What a new link notes: the number that was linked last keeps its warm-up, another one starts anew. */
  linked(phoneNumber: string): Patch {
    const linkedAt = this.deps.clock.nowMs();
    const { warnings, ...notes } = numberNotes(this.view, phoneNumber, linkedAt);
    return {
      linkedAt,
      pairingRefused: undefined,
      ...notes,
      warnings: withLinkingWarning(warnings ?? this.view.warnings, undefined),
    };
  }

  /** The code to link the account with now. */
  async showLink(link: AccountLink): Promise<void> {
    const patch: Patch = { status: 'awaiting_link', statusReason: undefined, link, pairingFor: undefined };
    if (link.method === 'pairing_code') Object.assign(patch, this.withoutLinkingWarning, { pairingRefused: undefined });
    await this.save(patch);
  }

  /** WhatsApp gives no pairing code: with its error code, or without an answer. */
  async refusePairing(code: number | undefined): Promise<void> {
    const { asked } = this.view;
    const pairingRefused = {
      ...(code === undefined ? {} : { code }),
      ...(asked === undefined ? {} : { asked }),
    };
    const warnings = withLinkingWarning(this.view.warnings, pairingRefusalSentence(pairingRefused));
    await this.save({ pairingFor: undefined, pairingRefused, warnings });
  }

  private get withoutLinkingWarning(): Pick<Patch, 'warnings'> {
    const warnings = withLinkingWarning(this.view.warnings, undefined);
    return warnings.length === this.view.warnings.length ? {} : { warnings };
  }

  /** Adds a warning for the tenant to read, or takes it away when it does not hold any more; the last ten are kept. */
  async warn(warning: string, holds = true): Promise<void> {
    if (this.view.warnings.includes(warning) === holds) return;
    const others = this.view.warnings.filter((other) => other !== warning);
    await this.save({ warnings: holds ? [...others, warning].slice(-10) : others });
  }
}
