import { NoRoomForState, StateDamaged } from '../transport.ts';

/** An object of the log or a snapshot is damaged or missing: the account cannot be loaded. The message names the object. */
export class AuthCorrupt extends StateDamaged {
  override name = 'AuthCorrupt';
  readonly object: string;
  readonly why: string;
  constructor(object: string, why: string) {
    super(`auth state cannot be loaded: ${object} ${why}`);
    this.object = object;
    this.why = why;
  }
}

/** Another owner has written after us, or our lease is over: nothing may be written or sent any more. */
export class AuthFenced extends Error {
  override name = 'AuthFenced';
}

/** A commit did not reach S3. The same bytes are tried again by the next commit, under the same number. */
export class AuthUnavailable extends Error {
  override name = 'AuthUnavailable';
}

/** The changes a commit was to carry were dropped by `discard` before it began. */
export class AuthDiscarded extends Error {
  override name = 'AuthDiscarded';
}

/** The host's key cache has reached its limit on disk: this account's keys do not fit in until others have left. */
export class AuthCacheFull extends NoRoomForState {
  override name = 'AuthCacheFull';
}

/** An older version cannot be restored; the message says why and what to do. Nothing has been written. */
export class RestoreRefused extends Error {
  override name = 'RestoreRefused';
}
