import { type Content, readStoredContent, type StoredContent, storedContent } from '../../domain/content.ts';
import { contentDays, ttlAfter } from '../../domain/messages/retention.ts';
import type { Item, Table } from '../client/table.ts';
import { type Key, keys } from '../keys.ts';

/*
 * Content items: what a message says, beside the message (`X`). They end after 15 days, or a lane could outlive them, and are put anew
 * before. A confirmation of an opt-out has one too, with its account and recipient in it, since it has no message item.
 */

/** Returns the put of a content item, for `writeMany` and transactions. `more`: further attributes. */
export function contentWrite(
  tenantId: string,
  messageId: string,
  content: Content,
  nowMs: number,
  more: Item = {},
): { put: Item & Key } {
  const ttl = ttlAfter(nowMs, contentDays);
  return { put: { ...keys.text(tenantId, messageId), type: 'text', ...storedContent(content), ...more, ttl } };
}

/** Returns the content that an item holds; undefined where there is none, or no more. */
export function contentIn(item: Item | undefined): Content | undefined {
  return item === undefined ? undefined : readStoredContent(item as unknown as StoredContent);
}

/** Returns the content of a message; undefined once its retention is over. */
export async function readContent(table: Table, tenantId: string, messageId: string): Promise<Content | undefined> {
  return contentIn(await table.get<Item>(keys.text(tenantId, messageId)));
}

/** Returns the contents of these messages by message id. Those whose retention is over are missing. */
export async function readContents(table: Table, tenantId: string, ids: string[]): Promise<Map<string, Content>> {
  const items = await table.getMany<Item>(ids.map((id) => keys.text(tenantId, id)));
  const contents = ids.map((id, index) => [id, contentIn(items[index])] as const);
  return new Map(contents.flatMap(([id, content]) => (content === undefined ? [] : [[id, content] as const])));
}
