import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { createEgress } from '../../../lib/runtime/egress/egress.ts';
import { EgressRefused } from '../../../lib/runtime/egress/errors.ts';
import { systemResolver } from '../../../lib/runtime/egress/resolve.ts';

const never = new AbortController().signal;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) {
    socket.close();
    await once(socket, 'close');
  }
});

type Records = { a?: readonly string[]; aaaa?: readonly string[] } | 'silent';

/** A name server on loopback; names it does not know do not exist. Its address, and the questions it was asked. */
async function nameServer(zone: Record<string, Records>): Promise<{ server: string; questions: string[] }> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  const questions: string[] = [];
  socket.on('message', (query, peer) => {
    let at = 12;
    const labels: string[] = [];
    for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + size));
      at += 1 + size;
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(at + 1);
    questions.push(`${name} ${type === 1 ? 'A' : 'AAAA'}`);
    const records = zone[name];
    if (records === 'silent') return;
    const found = (type === 1 ? records?.a : records?.aaaa) ?? [];
    const answers = found.map((address) => {
      const data = type === 1 ? Buffer.from(address.split('.').map(Number)) : Buffer.from(address, 'hex');
      const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
      return Buffer.concat([head, data]);
    });
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(records === undefined ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    socket.send(Buffer.concat([head, query.subarray(12, at + 5), ...answers]), peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { server: `127.0.0.1:${socket.address().port}`, questions };
}

describe('the name servers of the machine', () => {
  it('are asked for addresses of both kinds, each time anew', async () => {
    const { server, questions } = await nameServer({
      'both.example.com': { a: ['93.184.215.14', '1.1.1.1'], aaaa: ['26064700470000000000000000001111'] },
      'four.example.com': { a: ['8.8.8.8'] },
      'six.example.com': { aaaa: ['00000000000000000000000000000001'] },
    });
    const resolve = systemResolver([server]);
    expect(await resolve('both.example.com', never)).toEqual(['93.184.215.14', '1.1.1.1', '2606:4700:4700::1111']);
    expect(await resolve('four.example.com', never)).toEqual(['8.8.8.8']);
    expect(await resolve('four.example.com', never)).toEqual(['8.8.8.8']);
    expect(await resolve('six.example.com', never)).toEqual(['::1']);
    expect(questions.toSorted()).toEqual([
      'both.example.com A',
      'both.example.com AAAA',
      'four.example.com A',
      'four.example.com A',
      'four.example.com AAAA',
      'four.example.com AAAA',
      'six.example.com A',
      'six.example.com AAAA',
    ]);
  });

  it('know of no address for a name that does not exist', async () => {
    const { server } = await nameServer({});
    const lookup = systemResolver([server])('missing.example.com', never);
    await expect(lookup).rejects.toMatchObject({ name: 'EgressFailed', kind: 'dns', code: 'ENOTFOUND' });
  });

  it('are not waited for once the signal fires', async () => {
    const { server } = await nameServer({ 'slow.example.com': 'silent' });
    const stop = new AbortController();
    const lookup = systemResolver([server])('slow.example.com', stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 30);
    const startedMs = performance.now();
    await expect(lookup).rejects.toThrow('enough');
    expect(performance.now() - startedMs).toBeLessThan(1500);
  });

  it('decide with every address they give', async () => {
    const { server } = await nameServer({
      'mixed.example.com': { a: ['93.184.215.14', '127.0.0.1'] },
      'fine.example.com': { a: ['93.184.215.14'], aaaa: ['26064700470000000000000000001111'] },
      'inside.example.com': { a: ['93.184.215.14'], aaaa: ['fd000ec2000000000000000000000254'] },
    });
    const egress = createEgress({ allowLoopback: false, resolve: systemResolver([server]) });
    await expect(egress.check('https://mixed.example.com/')).rejects.toThrow(EgressRefused);
    await expect(egress.check('https://inside.example.com/')).rejects.toThrow(EgressRefused);
    await expect(egress.check('https://missing.example.com/')).rejects.toMatchObject({ kind: 'dns' });
    expect(await egress.check('https://fine.example.com/')).toBeUndefined();
    await egress.close();
  });
});
