import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const module = join(import.meta.dirname, '../../lib/runtime/key-objects.ts');
/** In a process of its own, because it changes the whole of it. Both importers are tried: ESM (Baileys) and CommonJS (libsignal, SDK). */
const program = `
import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from 'node:crypto';
import { createRequire } from 'node:module';
import { passKeysAsObjects } from ${JSON.stringify(module)};
const original = createHmac;
passKeysAsObjects();
passKeysAsObjects();
const required = createRequire(import.meta.url)('crypto');
const key = Buffer.alloc(32, 7);
const nonce = Buffer.alloc(12, 1);
const answers = { replaced: createHmac !== original && required.createHmac === createHmac };
answers.bytes = createHmac('sha256', key).update('text').digest('hex');
answers.required = required.createHmac('sha256', key).update('text').digest('hex');
answers.plain = createHmac('sha256', new Uint8Array(key)).update('text').digest('hex');
answers.object = createHmac('sha256', createSecretKey(key)).update('text').digest('hex');
answers.text = createHmac('sha256', 'secret').update('text').digest('hex');
answers.empty = createHmac('sha256', Buffer.alloc(0)).update('text').digest('hex');
const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
const sealed = Buffer.concat([cipher.update('text'), cipher.final()]);
const opener = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAuthTag(cipher.getAuthTag());
answers.sealed = sealed.toString('hex');
answers.opened = Buffer.concat([opener.update(sealed), opener.final()]).toString();
try { createCipheriv('aes-256-gcm', key.subarray(1), nonce); } catch (error) { answers.short = error.code; }
console.log(JSON.stringify(answers));
`;

it('HMACs and ciphers compute the same when their keys become key objects', () => {
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
  const answers: unknown = JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' }));
  const mac = '8483f20ba686a944ee7b4085d898f8839cc318eb6baff7f4600c9005c57f1497';
  expect(answers).toEqual({
    replaced: true,
    bytes: mac,
    required: mac,
    plain: mac,
    object: mac,
    text: '2f443685592900e619f2f3b2350c3c8a5738e2e7a26bc9a244d3393c3cd6abd6',
    empty: '0611b704abab473f956257a09cc2fc2c867211d077bdffc5a91bd8a5047826ff',
    sealed: '0284f1c3',
    opened: 'text',
    short: 'ERR_CRYPTO_INVALID_KEYLEN',
  });
});
