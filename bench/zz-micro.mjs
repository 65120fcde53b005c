import { createHash, createHmac, createSecretKey, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { DynamoDBClient, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { marshall } from '@aws-sdk/util-dynamodb';

const which = process.argv[2] ?? 'base';
const v = new Set(which.split('+'));
process.env.AWS_REGION = 'us-east-1';
process.env.AWS_ACCESS_KEY_ID = 'local';
process.env.AWS_SECRET_ACCESS_KEY = 'x';
process.env.AWS_ENDPOINT_URL_DYNAMODB = process.env.AWS_ENDPOINT_URL_S3 = 'http://127.0.0.1:39555';
const keysOf = new WeakMap();
class Sha256 {
  constructor(secret) {
    this.parts = [];
    this.secret = secret;
  }
  update(d) {
    this.parts.push(d);
  }
  async digest() {
    if (this.secret === undefined && this.parts.length === 1) {
      const p = this.parts[0];
      return hash('sha256', typeof p === 'string' ? p : ArrayBuffer.isView(p) ? p : new Uint8Array(p), 'buffer');
    }
    let h;
    if (this.secret !== undefined) {
      let k = this.secret;
      if (ArrayBuffer.isView(k)) {
        k = keysOf.get(this.secret);
        if (!k) {
          k = createSecretKey(this.secret);
          keysOf.set(this.secret, k);
        }
      } else k = createSecretKey(k, 'utf8');
      h = createHmac('sha256', k);
    } else h = createHash('sha256');
    for (const p of this.parts) h.update(typeof p === 'string' ? p : ArrayBuffer.isView(p) ? p : new Uint8Array(p));
    return h.digest();
  }
  reset() {
    this.parts = [];
  }
}

import http from 'node:http';
class Lean {
  metadata={handlerProtocol:'http/1.1'};
  agent=new http.Agent({keepAlive:true,maxSockets:200});
  handle(request,{abortSignal}={}){ return new Promise((resolve,reject)=>{
    if(abortSignal?.aborted){const e=new Error('Request aborted');e.name='AbortError';reject(e);return;}
    const req=http.request({agent:this.agent,host:request.hostname,port:request.port,method:request.method,path:request.path,headers:request.headers},(res)=>{
      const chunks=[]; res.on('data',(c)=>chunks.push(c)); res.on('error',reject);
      res.on('end',()=>resolve({response:{statusCode:res.statusCode,headers:res.headers,body:chunks.length===1?chunks[0]:Buffer.concat(chunks)}}));
    });
    req.on('error',(e)=>reject(e));
    req.end(request.body);
  });}
  updateHttpClientConfig(){} httpHandlerConfigs(){return {}} destroy(){this.agent.destroy();}
}
const common = {
  ...(v.has('sha') ? { sha256: Sha256 } : {}),
  requestHandler: v.has('lean') ? new Lean() : v.has('lean') ? new Lean() : v.has('fake')
    ? {
        handle: async () => ({
          response: {
            statusCode: 200,
            headers: { 'content-type': 'application/x-amz-json-1.0' },
            body: Readable.from([Buffer.from('{}')]),
          },
        }),
        updateHttpClientConfig() {},
        httpHandlerConfigs() {
          return {};
        },
        destroy() {},
      }
    : { httpAgent: { maxSockets: 200 } },
};
const ddb = new DynamoDBClient({
  ...common,
  maxAttempts: 5,
  ...(v.has('cache') ? { cacheMiddleware: true } : {}),
  ...(v.has('ep') ? { endpoint: 'http://127.0.0.1:39555' } : {}),
  ...(v.has('acc') ? { accountIdEndpointMode: 'disabled' } : {}),
});
const s3 = new S3Client({
  ...common,
  forcePathStyle: true,
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
  ...(v.has('cache') ? { cacheMiddleware: true } : {}),
  ...(v.has('ep') ? { endpoint: 'http://127.0.0.1:39555' } : {}),
});
for (const c of [ddb, s3]) {
  const ids = c.middlewareStack.identify?.();
  if (process.argv[3]) console.log(ids);
  if (v.has('log')) c.middlewareStack.remove('loggerMiddleware');
  if (v.has('ua')) {
    c.middlewareStack.remove('getUserAgentMiddleware');
    c.middlewareStack.remove('userAgentMiddleware');
  }
  if (v.has('rec')) {
    c.middlewareStack.remove('recursionDetectionMiddleware');
  }
}
const item = {
  pk: 'T#ten_01ABCDEFG#M#msg_0123456789ABCDEF01',
  sk: 'M',
  type: 'message',
  id: 'msg_0123456789ABCDEF01',
  tenantId: 'ten_01ABCDEFG',
  accountId: 'acc_01KABCDEFGHJKMNPQRSTVWXYZ',
  contractId: 'con_01KABCDEFGHJKMNPQRSTVWXYZ',
  row: 17,
  to: '12015550100',
  lane: 'bulk',
  feedSeq: 1,
  state: 'SENDING',
  attempts: 0,
  createdAt: Date.now(),
  queuedAt: Date.now(),
  claim: { epoch: 1, nonce: '3f9f7c8e-1111-2222-3333-444455556666' },
};
const body = Buffer.alloc(2500, 7);
const tx = () =>
  ddb.send(
    new TransactWriteItemsCommand({
      TransactItems: [
        {
          Put: {
            TableName: 'paceline',
            Item: marshall(item),
            ConditionExpression: '#s = :s AND feedSeq = :q',
            ExpressionAttributeNames: { '#s': 'state' },
            ExpressionAttributeValues: marshall({ ':s': 'QUEUED', ':q': 1 }),
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          },
        },
        {
          Update: {
            TableName: 'paceline',
            Key: { pk: { S: 'a' }, sk: { S: 'b' } },
            UpdateExpression:
              'SET pace = :pace, inHand = :hand, lastActivity = :now ADD messageCount :m, errorCount :e',
            ConditionExpression: '#o = :host AND epoch = :epoch',
            ExpressionAttributeNames: { '#o': 'owner' },
            ExpressionAttributeValues: marshall({
              ':pace': { lastAt: 1, sinceRest: 0, minute: [], day: 0, dayCount: 1 },
              ':hand': { messageId: 'a', contractId: 'b', nonce: 'c' },
              ':now': 1,
              ':m': 1,
              ':e': 0,
              ':host': 'hst',
              ':epoch': 1,
            }),
          },
        },
        {
          ConditionCheck: {
            TableName: 'paceline',
            Key: { pk: { S: 'a' }, sk: { S: 'c' } },
            ConditionExpression: 'attribute_not_exists(suppressedAt)',
          },
        },
      ],
    }),
  );
let n = 0;
const put = () =>
  s3.send(
    new PutObjectCommand({
      Bucket: 'auth',
      Key: `t/a/log/${String(n++).padStart(12, '0')}`,
      Body: body,
      IfNoneMatch: '*',
      ContentType: 'application/octet-stream',
    }),
  );
async function m(name, f, c = 3000) {
  for (let i = 0; i < 1500; i++) await f();
  const b = process.cpuUsage();
  for (let i = 0; i < c; i++) await f();
  const u = process.cpuUsage(b);
  return ((u.user + u.system) / 1000 / c).toFixed(3) + ` (user ${(u.user / 1000 / c).toFixed(3)})`;
}
console.log(which.padEnd(30), 'tx', await m('tx', tx), 's3', await m('s3', put));
process.exit(0);
