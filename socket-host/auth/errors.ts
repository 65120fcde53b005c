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

/** Another owner has written later, or the lease is over. Nothing may be written or sent any more. */
export class AuthFenced extends Error {
  override name = 'AuthFenced';
}

/** A commit did not reach S3. The next commit tries the same bytes again, under the same number. */
export class AuthUnavailable extends Error {
  override name = 'AuthUnavailable';
}

/** `discard` dropped the changes of a commit before the commit began. */
export class AuthDiscarded extends Error {
  override name = 'AuthDiscarded';
}

/** The key cache of the host has reached its limit on disk. The keys of this account fit in once other accounts have left. */
export class AuthCacheFull extends NoRoomForState {
  override name = 'AuthCacheFull';
}

/** An older version cannot be restored; the message says why and what to do. Nothing has been written. */
export class RestoreRefused extends Error {
  override name = 'RestoreRefused';
}
