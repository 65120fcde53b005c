/** Why a send loop ended: told to, the connection must be renewed, or the account is not ours any more. */
export type SendEnd = 'stopped' | 'reconnect' | 'fenced';
