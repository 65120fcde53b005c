import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../process/environment.ts';

/** An error answer of an AWS JSON API: `code` is the last part of its `__type`. */
export class AwsJsonError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.name = 'AwsJsonError';
    this.code = code;
  }
}

/**
 * Calls an AWS JSON API of an emulator, for example `DynamoDBStreams_20120810.GetRecords`. The request is not signed: emulators check only the form
 * of the header. Throws AwsJsonError, or the error of fetch when there is no response.
 */
export async function awsJson<T>(endpoint: string, target: string, body: object, signal?: AbortSignal): Promise<T> {
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const scope = `${LOCAL_CREDENTIALS.accessKeyId}/${stamp.slice(0, 8)}/${LOCAL_REGION}/dynamodb/aws4_request`;
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': target,
      'x-amz-date': stamp,
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  const parsed = text === '' ? {} : JSON.parse(text);
  if (response.ok) return parsed;
  const code =
    String(parsed.__type ?? response.status)
      .split('#')
      .at(-1) ?? '';
  throw new AwsJsonError(code, String(parsed.message ?? parsed.Message ?? ''));
}
