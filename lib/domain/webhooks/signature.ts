import { Webhook } from 'standardwebhooks';

const prefix = 'whsec_';
/** Standard Webhooks: 24 to 64 bytes. */
const fewestBytes = 24;
const mostBytes = 64;
/** A secret that the tenant chose may be longer: HMAC hashes it first. */
const mostOwnBytes = 256;

/** Returns a new secret: `whsec_` and the base64 of 32 random bytes. */
export function newSigningSecret(randomBytes: (n: number) => Uint8Array): string {
  return `${prefix}${Buffer.from(randomBytes(32)).toString('base64')}`;
}

/** Returns a sentence about what is wrong with a secret that the tenant chose; undefined if it is good. */
export function secretProblem(secret: string): string | undefined {
  if (!secret.startsWith(prefix)) {
    const bytes = Buffer.byteLength(secret);
    if (!secret.isWellFormed() || bytes > mostOwnBytes) return `Must be text of at most ${mostOwnBytes} bytes.`;
    return bytes < fewestBytes ? `Must have at least ${fewestBytes} bytes.` : undefined;
  }
  const text = secret.slice(prefix.length);
  const bytes = Buffer.from(text, 'base64');
  // Buffer ignores characters that are not base64, but many receivers refuse them.
  if (bytes.toString('base64') !== text) return 'After whsec_ there must be base64.';
  const fits = bytes.length >= fewestBytes && bytes.length <= mostBytes;
  return fits ? undefined : `After whsec_ there must be the base64 of ${fewestBytes} to ${mostBytes} bytes.`;
}

/**
 * Returns the three headers of Standard Webhooks 1.0, with one signature for each secret, in order. A secret without `whsec_` is used as UTF-8
 * bytes. `atMs` is the time of the attempt, so that receivers can refuse old requests.
 */
export function signedHeaders(
  message: { id: string; atMs: number; body: string },
  secrets: readonly string[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const at = new Date(message.atMs);
  const signatures = secrets.map((secret) => signer(secret).sign(message.id, at, message.body));
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(Math.floor(message.atMs / 1000)),
    'webhook-signature': signatures.join(' '),
  };
}

function signer(secret: string): Webhook {
  return secret.startsWith(prefix)
    ? new Webhook(secret)
    : new Webhook(new Uint8Array(Buffer.from(secret, 'utf8')), { format: 'raw' });
}
