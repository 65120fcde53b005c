import { type AttributeValue, DynamoDBServiceException } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { Item } from '../client/table.ts';

/** The fields of a stream record that are read. Lambda's `DynamoDBRecord` fits. */
export interface StreamRecord {
  eventName?: string | undefined;
  dynamodb?:
    | {
        ApproximateCreationDateTime?: number | undefined;
        SequenceNumber?: string | undefined;
        OldImage?: object | undefined;
        NewImage?: object | undefined;
      }
    | undefined;
}

/** One change of an item. */
export interface Change {
  before: Item | undefined;
  after: Item | undefined;
  /** Epoch ms, whole seconds. */
  at: number;
  /** Identifies the change: equal on each read of the record, different for each other change. */
  version: string;
}

/** Returns the change in a record. Throws TypeError for a record without time or sequence number. */
export function changeOf({ dynamodb }: StreamRecord): Change {
  const { ApproximateCreationDateTime: atSec, SequenceNumber: sequence, OldImage, NewImage } = dynamodb ?? {};
  if (atSec === undefined || sequence === undefined) throw new TypeError('not a record of the stream');
  return {
    before: imageOf(OldImage),
    after: imageOf(NewImage),
    at: Math.floor(atSec) * 1000,
    // Includes the time, because an emulator may number from the beginning after a restart.
    version: `${atSec}.${sequence}`,
  };
}

const imageOf = (image: object | undefined): Item | undefined =>
  image === undefined ? undefined : unmarshall(image as Record<string, AttributeValue>);

/** Returns whether a retry would fail again, because the request itself is wrong. */
export function isLasting(error: unknown): boolean {
  if (error instanceof DynamoDBServiceException) return error.name === 'ValidationException';
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
