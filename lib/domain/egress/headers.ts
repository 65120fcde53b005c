/** Set by the connection itself, or changing what a receiver or a proxy makes of the request. */
const reserved: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect'],
  ...['proxy-authorization', 'proxy-connection', 'accept-encoding', 'cookie'],
]);

/**
 * Whether a request may carry this header: a name of token characters that the connection does not set itself, and a value of visible
 * ASCII, Latin-1, spaces and tabs (RFC 9110, 5.5), so that no line can be smuggled in.
 */
export function isSendableHeader(name: string, value: string): boolean {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i.test(name) || reserved.has(name.toLowerCase())) return false;
  return value.length <= 8192 && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}
