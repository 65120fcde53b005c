/** Headers that the connection sets itself, or that change how a receiver or proxy reads the request. */
const reserved: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect'],
  ...['proxy-authorization', 'proxy-connection', 'accept-encoding', 'cookie'],
]);

/**
 * Returns whether a request may carry this header. The name has only token characters and is not reserved. The value has only visible ASCII,
 * Latin-1, spaces and tabs (RFC 9110, 5.5), so that it cannot add further lines.
 */
export function isSendableHeader(name: string, value: string): boolean {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i.test(name) || reserved.has(name.toLowerCase())) return false;
  return value.length <= 8192 && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}
