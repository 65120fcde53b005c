import { type Host, seemsLive } from '../../lib/aws/hosts/hosts.ts';

/** The hosts as a sweep finds them. They are metrics of CloudWatch, and the service scales on them. */
export interface Fleet {
  /** Hosts that live and are not stopping. */
  hosts: number;
  /** Accounts of all live hosts. Those of a draining host will move to the others soon. */
  accounts: number;
  /** Undefined while there is no host. */
  accountsPerHost?: number;
}

/** Pure: returns the fleet of these hosts. */
export function fleetOf(hosts: readonly Host[], nowMs: number): Fleet {
  const alive = hosts.filter((host) => seemsLive(host, nowMs));
  const staying = alive.filter(({ draining }) => draining !== true).length;
  const accounts = alive.reduce((sum, host) => sum + host.accounts, 0);
  return { hosts: staying, accounts, ...(staying > 0 && { accountsPerHost: accounts / staying }) };
}
