import { type Host, seemsLive } from '../../lib/aws/hosts/hosts.ts';

/** The hosts as a sweep finds them. They are metrics of CloudWatch, and the service scales on them. */
export interface Fleet {
  /** Alive and not on their way out. */
  hosts: number;
  /** Held by anybody alive: those of a host that drains are for the others soon. */
  accounts: number;
  /** Unknown while there is no host. */
  accountsPerHost?: number;
}

/** Pure. */
export function fleetOf(hosts: readonly Host[], nowMs: number): Fleet {
  const alive = hosts.filter((host) => seemsLive(host, nowMs));
  const staying = alive.filter(({ draining }) => draining !== true).length;
  const accounts = alive.reduce((sum, host) => sum + host.accounts, 0);
  return { hosts: staying, accounts, ...(staying > 0 && { accountsPerHost: accounts / staying }) };
}
