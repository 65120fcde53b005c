import { tryMove } from '../../lib/aws/messages/messages.ts';
import type { Message } from '../../lib/domain/messages/message.ts';

/** Moves a message. Throws the refusal when the move is refused. */
export async function moveMessage(...move: Parameters<typeof tryMove>): Promise<Message> {
  const { moved, refused } = await tryMove(...move);
  if (refused !== undefined) throw refused;
  return moved;
}
