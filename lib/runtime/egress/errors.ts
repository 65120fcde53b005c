/**
 * Thrown for every URL that the guard refuses. The message is always the same: the rule that refused it, or the addresses of a name, would show
 * callers the inside of the network.
 */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused';

  constructor() {
    super(
      'Requests go only to https URLs of public hosts, without user name and password, on port 443 or one from 1024 up that no ' +
        'well-known service uses.',
    );
  }
}

/**
 * The reasons for which an allowed request fails:
 *   dns        the name has no address, or its servers did not answer in time
 *   connect    no address accepted the connection
 *   tls        no secure connection: a certificate that is not trusted or not for this host, or no TLS at all
 *   timeout    `timeoutMs` passed before the answer was complete
 *   reset      the connection ended before the answer was complete, or the answer is not HTTP
 *   too_large  the answer's headers exceed 16 KB
 */
export type EgressFailure = 'dns' | 'connect' | 'tls' | 'timeout' | 'reset' | 'too_large';

/**
 * Thrown when an allowed request got no answer. `code` is the code of the platform error, if there is one (`ECONNREFUSED`, `CERT_HAS_EXPIRED`). That
 * error is not kept as `cause`, because its text can contain addresses and parts of the answer.
 */
export class EgressFailed extends Error {
  override readonly name = 'EgressFailed';
  readonly kind: EgressFailure;
  readonly code: string | undefined;

  constructor(kind: EgressFailure, code?: string) {
    super(sentences[kind]);
    this.kind = kind;
    this.code = code;
  }
}

const sentences: Record<EgressFailure, string> = {
  dns: 'The host name could not be resolved.',
  connect: 'The host did not accept the connection.',
  tls: 'No secure connection: check the host’s certificate.',
  timeout: 'The host did not answer in time.',
  reset: 'The connection ended before the answer was complete.',
  too_large: 'The headers of the answer are too large.',
};

/** Returns the `code` of a platform error, such as `ECONNRESET`; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return error.code;
}
