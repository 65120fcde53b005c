/**
 * The beginnings of every line that libsignal prints. With console.info it prints whole sessions, private ratchet keys included, when it opens and
 * closes them. Nothing else in the process may print lines that begin so through `console`.
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

/** Drops libsignal's prints for the rest of the process. Calling this again changes nothing. */
export function silenceLibsignal(target: Console = console): void {
  if (Reflect.get(target, silenced) === true) return;
  Reflect.set(target, silenced, true);
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    const print = target[method].bind(target);
    target[method] = (...parts: unknown[]) => {
      const [first] = parts;
      if (typeof first === 'string' && saidByLibsignal.some((beginning) => first.startsWith(beginning))) return;
      // A session that is printed with any other words is a leak too.
      if (parts.some(isSession)) return;
      print(...parts);
    };
  }
}

function isSession(part: unknown): boolean {
  return typeof part === 'object' && part !== null && /^Session(Entry|Record)$/.test(part.constructor?.name ?? '');
}
