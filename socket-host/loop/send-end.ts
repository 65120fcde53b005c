/** Why a send loop ended: its signal fired, the connection must be renewed, or this host does not own the account any more. */
export type SendEnd = 'stopped' | 'reconnect' | 'fenced';
