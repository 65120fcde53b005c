import http from 'node:http';
import net from 'node:net';

const body = Buffer.alloc(1500, 65).toString();
const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
const headers = {
  'content-type': 'application/x-amz-json-1.0',
  'x-amz-target': 'DynamoDB_20120810.TransactWriteItems',
  authorization: 'AWS4-HMAC-SHA256 ' + 'x'.repeat(200),
  'x-amz-date': '20261120T000000Z',
  'content-length': String(Buffer.byteLength(body)),
  'user-agent': 'y'.repeat(120),
};
const viaHttp = () =>
  new Promise((ok, no) => {
    const r = http.request({ host: '127.0.0.1', port: 39555, method: 'POST', path: '/', headers, agent }, (res) => {
      const c = [];
      res.on('data', (d) => c.push(d));
      res.on('end', () => ok(Buffer.concat(c)));
    });
    r.on('error', no);
    r.end(body);
  });
const sock = net.connect(39555, '127.0.0.1');
let wait;
sock.on('data', () => wait?.());
const viaNet = () =>
  new Promise((ok) => {
    wait = ok;
    sock.write(
      'POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n' +
        Object.entries(headers)
          .map(([k, v]) => k + ': ' + v)
          .join('\r\n') +
        '\r\n\r\n' +
        body,
    );
  });
async function m(name, f, c = 4000) {
  for (let i = 0; i < 1500; i++) await f();
  const b = process.cpuUsage();
  for (let i = 0; i < c; i++) await f();
  const u = process.cpuUsage(b);
  console.log(name, ((u.user + u.system) / 1000 / c).toFixed(3));
}
await m('node:http', viaHttp);
await m('net', viaNet);
await m('node:http', viaHttp);
await m('net', viaNet);
await m('fetch', async () => {
  const { 'content-length': _, ...h } = headers;
  const r = await fetch('http://127.0.0.1:39555/', { method: 'POST', headers: h, body });
  await r.text();
});
process.exit(0);
