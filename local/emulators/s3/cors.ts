import { childrenNamed, parseXml, textOf } from './xml.ts';

/**
 * Returns the CORS headers of S3 for an origin and a method, by the bucket's PutBucketCors document; undefined when no rule allows the request.
 * `requestHeaders` are the headers that a preflight asks for.
 */
export function corsHeaders(
  xml: string | undefined,
  origin: string,
  method: string,
  requestHeaders: string[],
): Record<string, string> | undefined {
  const root = xml === undefined ? undefined : parseXml(xml);
  if (root === undefined) return undefined;
  for (const rule of childrenNamed(root, 'CORSRule')) {
    const values = (name: string): string[] => childrenNamed(rule, name).map((child) => child.text);
    const allowed = values('AllowedOrigin').find((pattern) => fits(pattern, origin));
    if (allowed === undefined || !values('AllowedMethod').includes(method)) continue;
    const patterns = values('AllowedHeader').map((pattern) => pattern.toLowerCase());
    if (!requestHeaders.every((header) => patterns.some((pattern) => fits(pattern, header.toLowerCase())))) continue;
    const exposed = values('ExposeHeader');
    const maxAge = textOf(rule, 'MaxAgeSeconds');
    return {
      'access-control-allow-origin': allowed === '*' ? '*' : origin,
      'access-control-allow-methods': values('AllowedMethod').join(', '),
      ...(requestHeaders.length > 0 ? { 'access-control-allow-headers': requestHeaders.join(', ') } : {}),
      ...(exposed.length > 0 ? { 'access-control-expose-headers': exposed.join(', ') } : {}),
      ...(maxAge !== undefined ? { 'access-control-max-age': maxAge } : {}),
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    };
  }
  return undefined;
}

/** Returns whether a value matches a pattern, in which one `*` matches any text. */
function fits(pattern: string, value: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === value;
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return value.length >= before.length + after.length && value.startsWith(before) && value.endsWith(after);
}
