import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import type { Account } from '../accounts.ts';
import { numberJid } from '../wire/jid.ts';
import type { World } from '../world.ts';
import { write } from './writing.ts';

const { HistorySyncType } = proto.HistorySync;
const { Type } = proto.Message.ProtocolMessage;

/**
 * Sends an account the history that its phone shares with a linked device: all of it right after linking, or a part again later.
 * It comes as messages of the account's own phone, which clients must not take for messages of a customer.
 */
export function shareHistory(world: World, account: Account, occasion: 'first' | 'recent'): void {
  const phone = world.directory.phone(account.number);
  const share = (syncType: proto.HistorySync.HistorySyncType, history: proto.IHistorySync) => {
    const inline = deflateSync(proto.HistorySync.encode({ ...history, syncType }).finish());
    const historySyncNotification = {
      syncType,
      chunkOrder: 1,
      progress: 100,
      initialHistBootstrapInlinePayload: inline,
    };
    const protocolMessage = { type: Type.HISTORY_SYNC_NOTIFICATION, historySyncNotification };
    const id = `3A${randomBytes(9).toString('hex').toUpperCase()}`;
    write(world, phone, account, id, { protocolMessage }, { category: 'peer' });
  };
  const pushnames = [{ id: numberJid(account.number), pushname: phone.facts.name }];
  if (occasion === 'first') {
    share(HistorySyncType.INITIAL_BOOTSTRAP, { syncType: HistorySyncType.INITIAL_BOOTSTRAP, conversations: [] });
    share(HistorySyncType.PUSH_NAME, { syncType: HistorySyncType.PUSH_NAME, pushnames });
  }
  share(HistorySyncType.RECENT, { syncType: HistorySyncType.RECENT, conversations: [], progress: 100 });
}
