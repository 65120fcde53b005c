import { afterAll, beforeAll, expect, it } from 'vitest';
import { textContent } from '../../../lib/domain/content.ts';
import { type Gateway, gateway } from './gateway.ts';
import { sleep } from './probe.ts';

const printed: string[] = [];
const methods = ['log', 'info', 'warn', 'error', 'debug'] as const;
const before = { ...console };
let g: Gateway;
beforeAll(async () => {
  // What passes the filter ends here. The filter is set once a process: an earlier file may have set it around the methods that are replaced.
  Reflect.deleteProperty(console, Symbol.for('paceline.silenced'));
  for (const method of methods) {
    console[method] = (...parts: unknown[]) => printed.push(parts.map(String).join(' '));
  }
  g = await gateway();
});
afterAll(async () => {
  Object.assign(console, before);
  await g.cleanUp();
});

it('prints no session while sessions are made, closed and replaced, and undecryptable messages come in', async () => {
  const { session, store, heard } = await g.linked('4915170000001');
  const to = '4915180000001';
  await g.control('POST', '/phones', { number: to });
  await session.send({ id: `msg_${'1'.repeat(18)}`, to, content: textContent('one') }, 5000);
  // Asking for the devices again makes Baileys close the session and open another: libsignal prints both.
  await session.send({ id: `msg_${'2'.repeat(18)}`, to, content: textContent('two'), refreshDevices: true }, 5000);
  await g.control('POST', `/phones/${to}/send`, { to: '4915170000001', text: 'hello' });
  await heard('inbound hello');
  const lid = String(store.get('lid-mapping', to));
  await store.set({ session: { [`${lid}_1.0`]: null } });
  await g.control('POST', `/phones/${to}/send`, { to: '4915170000001', text: 'unreadable' });
  await sleep(300);
  expect(printed).toEqual([]);
});

it('lets everything else through', () => {
  console.info('Host is ready', 3);
  expect(printed).toEqual(['Host is ready 3']);
});

it('drops a session under any words', () => {
  class SessionEntry {
    privKey = 'secret';
  }
  console.warn('what is this', new SessionEntry());
  console.info('Closing session:', { privKey: 'secret' });
  expect(printed).toEqual(['Host is ready 3']);
});
