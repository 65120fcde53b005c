/**
 * libsignal prints whole sessions, ratchet private keys included, with console.info when it opens and closes them. These are the
 * beginnings of everything it says; nothing else in the process may print through `console` with them.
 */
const saidByLibsignal = [
  'Closing session:',
  'Opening session:',
  'Removing old closed session:',
  'Session already closed',
  'Session already open',
  'Migrating session to:',
  'V1 session storage migration error',
  'Closing open session in favor of incoming prekey bundle',
  'Failed to decrypt message with any known session',
  'Session error:',
  'Decrypted message with closed session',
  'Unhandled bucket type',
];
const silenced = Symbol.for('paceline.silenced');

/** Drops what libsignal prints, now and for the rest of the process. Calling it again changes nothing. */
export function silenceLibsignal(target: Console = console): void {
  if (Reflect.get(target, silenced) === true) return;
  Reflect.set(target, silenced, true);
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    const print = target[method].bind(target);
    target[method] = (...parts: unknown[]) => {
      const [first] = parts;
      if (typeof first === 'string' && saidByLibsignal.some((beginning) => first.startsWith(beginning))) return;
      // A session handed to console under any other words is a leak all the same.
      if (parts.some(isSession)) return;
      print(...parts);
    };
  }
}

function isSession(part: unknown): boolean {
  return typeof part === 'object' && part !== null && /^Session(Entry|Record)$/.test(part.constructor?.name ?? '');
}
