import type { Account } from './account.ts';
import { passkeySentence, withLinkingWarning } from './linking.ts';

/** Why an account stops: it sends nothing until its tenant acts, or until its restriction is over. `hasStopped` reads it from the status. */
export type Halt =
  /** The codes were not used. */
  | { kind: 'link_timeout' }
  /** The phone that used the code demands a passkey. */
  | { kind: 'passkey_required' }
  /** The linked phone has another number than the account, and the tenant has to confirm it. */
  | { kind: 'number_changed'; linkedNumber: string }
  /** The device is unlinked. */
  | { kind: 'logged_out'; reason: 'by_request' | 'by_whatsapp' }
  /** WhatsApp restricts the account until then (epoch ms). */
  | { kind: 'restricted'; untilMs: number }
  /** WhatsApp refused the account, with this code. */
  | { kind: 'banned'; code: number | undefined }
  /** Connecting again cannot help. */
  | { kind: 'failed'; reason: FailedReason };

export type FailedReason =
  | 'client_outdated'
  | 'multidevice_mismatch'
  | 'client_error'
  | 'replaced_elsewhere'
  | 'auth_state_damaged';

/** The fields of the account's item that say why it stopped. A field that is undefined is removed. */
export type HaltFields = Pick<Account, 'status'> & { [K in HaltField]?: Account[K] | undefined };
type HaltField =
  | 'statusReason'
  | 'restrictedUntil'
  | 'replacedAt'
  | 'linkedNumber'
  | 'linkedAt'
  | 'link'
  | 'pairingFor'
  | 'warnings';

/** Returns the fields of an account's item for a halt. Pure. */
export function haltFields(halt: Halt, { warnings }: Pick<Account, 'warnings'>, nowMs: number): HaltFields {
  const noCode = { link: undefined, pairingFor: undefined };
  switch (halt.kind) {
    case 'link_timeout':
      return { status: 'disconnected', statusReason: 'link_timeout', ...noCode };
    case 'passkey_required': {
      const noted = withLinkingWarning(warnings, passkeySentence);
      return { status: 'disconnected', statusReason: 'passkey_required', ...noCode, warnings: noted };
    }
    case 'number_changed': {
      const { linkedNumber } = halt;
      return { status: 'disconnected', statusReason: 'number_changed', linkedNumber, linkedAt: nowMs, ...noCode };
    }
    case 'logged_out': {
      const unlinked = { linkedAt: undefined, linkedNumber: undefined, restrictedUntil: undefined, ...noCode };
      return { status: 'logged_out', statusReason: halt.reason, ...unlinked };
    }
    case 'restricted':
      return { status: 'restricted', statusReason: 'temporary_ban', restrictedUntil: halt.untilMs };
    case 'banned':
      return { status: 'banned', statusReason: `refused_${halt.code}` };
    case 'failed':
      return { status: 'failed', statusReason: halt.reason, replacedAt: undefined };
    default:
      return halt satisfies never;
  }
}
