import { Webhook } from 'standardwebhooks';

const prefix = 'whsec_';
/** Standard Webhooks: 24 to 64 bytes. */
const fewestBytes = 24;
const mostBytes = 64;
/** A secret of a tenant's own making may be longer: HMAC hashes it first. */
const mostOwnBytes = 256;

/** `whsec_` and the base64 of 32 bytes. */
export function newSigningSecret(randomBytes: (n: number) => Uint8Array): string {
  return `${prefix}${Buffer.from(randomBytes(32)).toString('base64')}`;
}

/** What is wrong with a secret somebody chose, as a sentence; undefined when it is good. */
export function secretProblem(secret: string): string | undefined {
  if (!secret.startsWith(prefix)) {
    const bytes = Buffer.byteLength(secret);
    if (!secret.isWellFormed() || bytes > mostOwnBytes) return `Must be text of at most ${mostOwnBytes} bytes.`;
    return bytes < fewestBytes ? `Must have at least ${fewestBytes} bytes.` : undefined;
  }
  const text = secret.slice(prefix.length);
  const bytes = Buffer.from(text, 'base64');
  // Buffer forgives what is no base64, and so do not all receivers.
  if (bytes.toString('base64') !== text) return 'Behind whsec_ there must be base64.';
  const fits = bytes.length >= fewestBytes && bytes.length <= mostBytes;
  return fits ? undefined : `Behind whsec_ there must be the base64 of ${fewestBytes} to ${mostBytes} bytes.`;
}

/**
 * The three headers of Standard Webhooks 1.0: one signature for each secret, in their order. A secret that is not `whsec_..` is used as its
 * UTF-8 bytes. `atMs` is the moment of the attempt, so that receivers can refuse what is old.
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
