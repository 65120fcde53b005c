import type { Totals } from '../aws/hosts/ownership.ts';
import { isSuccess, type MessageState } from '../domain/messages/message.ts';

/** Outcomes of one account that its totals in the table lack. */
export class UntoldTotals {
  private messages = 0;
  private errors = 0;

  get some(): boolean {
    return this.messages > 0 || this.errors > 0;
  }

  /** As they are now; more may be counted while these are being told. */
  now(): Totals {
    return { messages: this.messages, errors: this.errors };
  }

  count(outcome: MessageState): void {
    if (isSuccess(outcome)) this.messages += 1;
    else if (outcome === 'FAILED') this.errors += 1;
  }

  /** These are in the account's item. */
  told({ messages, errors }: Totals): void {
    this.messages -= messages;
    this.errors -= errors;
  }
}
