/** A message that is in hand, as the account's hot item names it; `nonce` is that of its claim. */
export interface Named {
  messageId: string;
  /** Of a message of a contract only. */
  contractId?: string | undefined;
  nonce: string;
}

/**
 * The stored form of one message in hand. Every version reads and writes it, so that hosts of two versions can take an account over from each
 * other. `released`: the owner gave the account up in good order with the message still open; without it an owner that is gone died over it.
 */
export interface OneInHand extends Named {
  released?: true;
}

/** The stored form of several. `nonce` is unique to each writing of it; `messages` has the id, contract (if any) and nonce of each. */
export interface SeveralInHand {
  nonce: string;
  messages: { m: string; c?: string; n: string }[];
  released?: true;
}

/** What claims cover (attribute `inHand` of the hot item). It stays until a claim or flush takes it out, so that a new owner can resolve it. */
export type InHand = OneInHand | SeveralInHand;

/** Returns the messages that a hot item names as in hand, in the order of their claims. */
export function inHandOf({ inHand }: { inHand?: InHand | undefined }): Named[] {
  if (inHand === undefined) return [];
  if ('messages' in inHand) return inHand.messages.map(({ m, c, n }) => named(m, c, n));
  return [named(inHand.messageId, inHand.contractId, inHand.nonce)];
}

/** Returns how these messages are stored; undefined: not at all. `unique` is used where there are several. */
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

/** Returns how many messages of a contract its account has in hand. `hot`: undefined without an account. */
export function inHandOfContract(hot: { inHand?: InHand | undefined } | undefined, contractId: string): number {
  return hot === undefined ? 0 : inHandOf(hot).filter((named) => named.contractId === contractId).length;
}
