import { isOtherNumber } from '../../lib/domain/accounts/account.ts';
import type { ConnectionClose } from '../connection/close.ts';
import type { AccountRecord } from './record.ts';

interface Needs {
  record: AccountRecord;
  close: ConnectionClose;
  closeSession(): Promise<void>;
}

/** An account is its number: a phone with another one sends nothing until the tenant has confirmed it. */
export class OwnNumber {
  private readonly needs: Needs;

  constructor(needs: Needs) {
    this.needs = needs;
  }

  /** A phone with this number was linked. */
  async linked(phoneNumber: string): Promise<void> {
    const { record, close } = this.needs;
    // The tenant may have named another number meanwhile.
    await record.read();
    // The connection goes on until WhatsApp asks for the restart: closed earlier, the phone would say that linking failed.
    if (isOtherNumber(record.account, phoneNumber)) await close.haltAs(phoneNumber);
    else await record.save({ phoneNumber, ...record.linked(phoneNumber), link: undefined, pairingFor: undefined });
  }

  /**
   * Stops the account if the phone it is linked with has another number, before that phone has sent anything: its last owner may have died
   * before it could note the link. A device that is to be logged out goes on. True: stopped.
   */
  async stopsOver(phoneNumber: string | undefined): Promise<boolean> {
    const { record, close, closeSession } = this.needs;
    const { account } = record;
    if (phoneNumber === undefined || account.desired === 'logged_out' || !isOtherNumber(account, phoneNumber))
      return false;
    await closeSession();
    if (await close.haltAs(phoneNumber)) await close.rest();
    return true;
  }
}
