/** A message in hand, as the account's hot item names it. `nonce` is the nonce of its claim. */
export interface Named {
  messageId: string;
  /** Only for a message of a contract. */
  contractId?: string | undefined;
  nonce: string;
}

/**
 * The stored form of one message in hand. Every version reads and writes it, so that hosts of two versions can take accounts over from each
 * other. `released`: the owner handed the account over while the message was open. Without it, an owner that is gone has died.
 */
export interface OneInHand extends Named {
  released?: true;
}

/** The stored form of several messages. Each write has a new `nonce`. `messages` has the id, contract (if any) and nonce of each. */
export interface SeveralInHand {
  nonce: string;
  messages: { m: string; c?: string; n: string }[];
  released?: true;
}

/** The messages in hand (attribute `inHand` of the hot item). They stay until a claim or flush removes them, so that a new owner can resolve them. */
export type InHand = OneInHand | SeveralInHand;

/** Returns the messages that a hot item names as in hand, in the order of their claims. */
export function inHandOf({ inHand }: { inHand?: InHand | undefined }): Named[] {
  if (inHand === undefined) return [];
  if ('messages' in inHand) return inHand.messages.map(({ m, c, n }) => named(m, c, n));
  return [named(inHand.messageId, inHand.contractId, inHand.nonce)];
}

/** Returns the stored form of these messages; undefined for none. `unique` makes the nonce for several. */
export function storedInHand(messages: readonly Named[], unique: () => string): InHand | undefined {
  const [first, ...others] = messages;
  if (first === undefined) return undefined;
  if (others.length === 0) return named(first.messageId, first.contractId, first.nonce);
  return {
    nonce: unique(),
    messages: messages.map(({ messageId, contractId, nonce }) => ({
      m: messageId,
      ...(contractId === undefined ? {} : { c: contractId }),
      n: nonce,
    })),
  };
}

function named(messageId: string, contractId: string | undefined, nonce: string): Named {
  return { messageId, ...(contractId === undefined ? {} : { contractId }), nonce };
}

/** Returns how many messages of a contract its account has in hand. `hot` is undefined if the account is deleted. */
export function inHandOfContract(hot: { inHand?: InHand | undefined } | undefined, contractId: string): number {
  return hot === undefined ? 0 : inHandOf(hot).filter((named) => named.contractId === contractId).length;
}
