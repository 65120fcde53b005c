import { randomBytes } from 'node:crypto';

const base64 = (bytes: number): string => randomBytes(bytes).toString('base64');

/** About as many bytes as the record of a session with one chain in each direction. */
function session(): object {
  return {
    _sessions: {
      [base64(33)]: {
        registrationId: 12_345,
        currentRatchet: {
          ephemeralKeyPair: { pubKey: base64(33), privKey: base64(32) },
          lastRemoteEphemeralKey: base64(33),
          previousCounter: 0,
          rootKey: base64(32),
        },
        indexInfo: {
          baseKey: base64(33),
          baseKeyType: 1,
          closed: -1,
          used: 1_795_000_000_000,
          created: 1_795_000_000_000,
          remoteIdentityKey: base64(33),
        },
        _chains: {
          [base64(33)]: { chainKey: { counter: 4, key: base64(32) }, chainType: 1, messageKeys: {} },
          [base64(33)]: { chainKey: { counter: 2, key: base64(32) }, chainType: 2, messageKeys: {} },
        },
      },
    },
    version: 'v1',
  };
}

/** The keys an account has after writing to `recipients` numbers: four each. */
export function keysOfRecipients(recipients: number): Record<string, Record<string, unknown>> {
  const sessions: Record<string, unknown> = {};
  const mappings: Record<string, unknown> = {};
  const tokens: Record<string, unknown> = {};
  for (let n = 0; n < recipients; n++) {
    const lid = String(100_000_000_000_000 + n);
    const number = String(4_915_550_000_000 + n);
    sessions[`${lid}_1.0`] = session();
    mappings[number] = lid;
    mappings[`${lid}_reverse`] = number;
    tokens[`${lid}@lid`] = { token: randomBytes(16), timestamp: '1795000000' };
  }
  return { session: sessions, 'lid-mapping': mappings, tctoken: tokens };
}
