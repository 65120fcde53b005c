import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';

/** The operations of one bucket. Bodies are whole objects in memory. */
export interface ObjectStore {
  /** Writes an object only if its key is new; every fence relies on that. Returns `exists` when the key has an object (S3 answers 412). */
  create(key: string, body: Uint8Array): Promise<'created' | 'exists'>;
  put(key: string, body: Uint8Array, contentType?: string): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** Returns all keys with the prefix, in UTF-8 order; with `startAfter` only those after it. */
  list(prefix: string, startAfter?: string): Promise<string[]>;
  remove(keys: string[]): Promise<void>;
}

export function objectStore(s3: S3Client, bucket: string): ObjectStore {
  return {
    async create(key, body) {
      for (let attempt = 1; ; attempt++) {
        try {
          await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, IfNoneMatch: '*' }));
          return 'created';
        } catch (error) {
          const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
          if (status === 412) return 'exists';
          // 409: another conditional write to the key was under way; the answer to a repeat is final.
          if (status !== 409 || attempt >= 5) throw error;
        }
      }
    },
    async put(key, body, contentType) {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: contentType }));
    },
    async get(key) {
      try {
        const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return await answer.Body?.transformToByteArray();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    async list(prefix, startAfter) {
      const keys: string[] = [];
      let token: string | undefined;
      do {
        const page = await s3.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            StartAfter: startAfter,
            ContinuationToken: token,
          }),
        );
        for (const object of page.Contents ?? []) if (object.Key !== undefined) keys.push(object.Key);
        token = page.NextContinuationToken;
      } while (token !== undefined);
      return keys;
    },
    async remove(keys) {
      for (let at = 0; at < keys.length; at += 1000) {
        const Objects = keys.slice(at, at + 1000).map((Key) => ({ Key }));
        await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
      }
    },
  };
}
