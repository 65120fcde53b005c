import { Resolver as Queries } from 'node:dns/promises';
import { codeOf, EgressFailed } from './errors.ts';

/** Every address of a host, IPv4 first; throws EgressFailed `dns` when there is none. May be called again at any time with another answer. */
export type Resolver = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Asks the name servers of the machine for A and AAAA records. Not by getaddrinfo: that adds search domains and the hosts file, and its
 * four threads could be held by one tenant's slow name server. `servers` (`127.0.0.1:5300`) are for tests.
 */
export function systemResolver(servers?: readonly string[]): Resolver {
  return async (host, signal) => {
    // One for each lookup: cancel() ends everything a resolver has under way.
    const queries = new Queries({ timeout: 2000, tries: 2 });
    if (servers !== undefined) queries.setServers(servers);
    const cancel = () => queries.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const [v4, v6] = await Promise.allSettled([queries.resolve4(host), queries.resolve6(host)]);
      signal.throwIfAborted();
      const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      if (found.length === 0) throw new EgressFailed('dns', v4.status === 'rejected' ? codeOf(v4.reason) : undefined);
      return found;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}
