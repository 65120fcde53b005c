import { type Account, needsNoHost } from '../accounts/account.ts';
import { passkeySentence } from '../accounts/linking.ts';
import { type Contract, isFinished } from './contract.ts';

const connectCall = 'POST /v1/accounts/:id/connect';

/**
 * Returns why a contract sends nothing, in a sentence that says what to do and names the account's `statusReason`. Undefined if nothing stops it.
 * `account` is undefined when the account has been deleted.
 */
export function waitingReason(contract: Contract, account: Account | undefined, nowMs: number): string | undefined {
  if (isFinished(contract.status)) return undefined;
  if (account === undefined) {
    return contract.status === 'IN_PROGRESS'
      ? 'The account was deleted.'
      : 'The account was deleted; the contract cannot be started any more.';
  }
  if (contract.status !== 'IN_PROGRESS') return undefined;
  const why = whyNotSending(account, nowMs);
  if (account.pausedAt === undefined) return why;
  return why === undefined ? `Waiting: ${paused}` : `${why} In addition, ${paused}`;
}

const paused = 'sending is paused for the account; POST /v1/accounts/:id/resume continues it.';

function whyNotSending(account: Account, nowMs: number): string | undefined {
  switch (account.status) {
    case 'logged_out':
      return `Waiting: the account is logged out${because(account)}; ${connectCall} and link it again.`;
    case 'banned':
      return `Waiting: WhatsApp has banned the account${because(account)}; when WhatsApp has lifted the ban, ${connectCall}.`;
    case 'failed':
      return `Waiting: the account cannot connect${because(account)}: ${remedy(account.statusReason)}.`;
    case 'restricted':
      return restricted(account, nowMs);
    case 'created':
    case 'connecting':
      return account.desired === 'connected' ? 'Waiting for the account to connect.' : resting(account);
    case 'awaiting_link':
      return account.desired === 'connected' ? awaitingLink(account) : resting(account);
    case 'disconnected':
      return disconnected(account);
    case 'connected':
      return account.desired === 'connected' ? undefined : resting(account);
    default:
      return account.status satisfies never;
  }
}

function restricted(account: Account, nowMs: number): string {
  if (account.desired !== 'connected') return resting(account);
  if (!needsNoHost(account, nowMs)) return 'Waiting for the account to connect: its restriction has ended.';
  const until = new Date(account.restrictedUntil ?? nowMs).toISOString();
  return `Waiting: WhatsApp has restricted the account${because(account)} until ${until}; it then continues by itself.`;
}

function awaitingLink({ link }: Account): string {
  return link?.method === 'pairing_code'
    ? 'Waiting for the account to be linked: enter its pairing code on the phone.'
    : 'Waiting for the account to be linked: scan its QR code.';
}

/** Returns the reason for `disconnected`. Some reasons wait for the tenant, whatever `desired` is. */
function disconnected(account: Account): string {
  if (account.statusReason === 'link_timeout') {
    return `Waiting: the account was not linked in time; ${connectCall} starts a new series of codes.`;
  }
  if (account.statusReason === 'passkey_required') {
    return `Waiting: ${passkeySentence} ${connectCall} starts a new series of codes.`;
  }
  if (account.statusReason === 'number_changed') {
    return (
      'Waiting: the account was linked with a phone of another number (number_changed); POST /v1/accounts/:id/confirm-number goes on with ' +
      'that number, POST /v1/accounts/:id/logout unlinks it.'
    );
  }
  return account.desired === 'connected'
    ? `Waiting: the account is disconnected${because(account)} and connects again by itself.`
    : resting(account);
}

/** Returns the reason for an account that its tenant has disconnected or is logging out. */
function resting({ desired }: Account): string {
  return desired === 'logged_out'
    ? `Waiting: the account is being logged out; ${connectCall} and link it again.`
    : `Waiting: the account is disconnected; ${connectCall} starts it.`;
}

/** Returns what to do about each reason of `failed` (`FailedReason`). */
function remedy(reason: string | undefined): string {
  switch (reason) {
    case 'client_outdated':
      return `WhatsApp refuses this version of Paceline; upgrade it, then ${connectCall}`;
    case 'multidevice_mismatch':
      return 'its link is no longer valid; log it out and link it again';
    case 'replaced_elsewhere':
      return `the same linked device is in use somewhere else; end that, then ${connectCall}`;
    case 'auth_state_damaged':
      return 'its keys are damaged; restore them, or log it out and link it again';
    default:
      return `${connectCall} tries again`;
  }
}

const because = ({ statusReason }: Account): string => (statusReason === undefined ? '' : ` (${statusReason})`);
