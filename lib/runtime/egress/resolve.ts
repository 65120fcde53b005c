import { Resolver as Queries } from 'node:dns/promises';
import { codeOf, EgressFailed } from './errors.ts';

/** Returns every address of a host, IPv4 first. Throws EgressFailed `dns` if there is none. Each call may give another answer. */
export type Resolver = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Returns a resolver that asks the name servers of the machine for A and AAAA records. It does not use getaddrinfo, which adds search domains and
 * the hosts file. The slow name server of one tenant could also block its four threads. `servers` (`127.0.0.1:5300`) are for tests.
 */
export function systemResolver(servers?: readonly string[]): Resolver {
  return async (host, signal) => {
    // A resolver for each lookup, because cancel() ends all queries of a resolver.
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
