import { createHash, createHmac } from 'node:crypto';

/** A request as it came over the wire; header names in lower case. */
export interface Received {
  method: string;
  /** Path and query, still encoded. */
  url: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Secret {
  secretAccessKey: string;
  sessionToken?: string;
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** As RFC 3986 has it: everything but the unreserved. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * What AWS would find wrong with a request, `right` when nothing, after the public rules of Signature Version 4
 * (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). Temporary credentials must send their token, S3 must
 * be given the payload's hash, and whatever names itself x-amz must be signed. Clocks may differ by 5 minutes, as with DynamoDB.
 */
export function judgeSignature(
  request: Received,
  expected: { service: string; region: string; nowMs: number; secrets: Record<string, Secret> },
): string {
  const { headers } = request;
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, keyId, day, region, service, signedNames, signature] = pattern.exec(headers.authorization ?? '') ?? [];
  if (keyId === undefined || day === undefined || signedNames === undefined)
    return `Authorization: ${headers.authorization}`;
  const secret = expected.secrets[keyId];
  if (secret === undefined) return `unknown key ${keyId}`;
  if (region !== expected.region || service !== expected.service) return `signed for ${service} in ${region}`;

  const date = headers['x-amz-date'] ?? '';
  const dateMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(dateMs - expected.nowMs) < 300_000) || !date.startsWith(day)) return `x-amz-date: ${date}`;
  if (headers['x-amz-security-token'] !== secret.sessionToken) return 'x-amz-security-token';

  const payloadHash = sha256(request.body);
  const givenHash = headers['x-amz-content-sha256'];
  if (givenHash !== payloadHash && (service === 's3' || givenHash !== undefined))
    return `x-amz-content-sha256: ${givenHash}`;
  const names = signedNames.split(';');
  const mustBeSigned = Object.keys(headers).filter((name) => /^(host|content-type|if-none-match|x-amz-.*)$/.test(name));
  const left = mustBeSigned.filter((name) => !names.includes(name));
  if (left.length > 0 || names.join() !== names.toSorted().join()) return `signed: ${signedNames}`;

  const [path = '', query = ''] = request.url.split('?');
  const once = path.split('/').map((segment) => encode(decodeURIComponent(segment)));
  const canonicalRequest = [
    request.method,
    // S3 encodes once, all others twice.
    (service === 's3' ? once : once.map(encode)).join('/'),
    [...new URLSearchParams(query)]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedNames,
    payloadHash,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonicalRequest)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secret.secretAccessKey}`);
  return hmac(key, toSign).toString('hex') === signature ? 'right' : `signature of\n${canonicalRequest}`;
}
