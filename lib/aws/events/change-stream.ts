import { type AttributeValue, DynamoDBServiceException } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { Item } from '../client/table.ts';

/** What of a record of the table's stream is read; Lambda's `DynamoDBRecord` fits. */
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
  /** The same whenever the record is read, and of no other change. */
  version: string;
}

/** The change a record tells of. Throws on one that is none of the table's. */
export function changeOf({ dynamodb }: StreamRecord): Change {
  const { ApproximateCreationDateTime: atSec, SequenceNumber: sequence, OldImage, NewImage } = dynamodb ?? {};
  if (atSec === undefined || sequence === undefined) throw new TypeError('not a record of the stream');
  return {
    before: imageOf(OldImage),
    after: imageOf(NewImage),
    at: Math.floor(atSec) * 1000,
    // With the time: an emulator that starts anew may number from the beginning.
    version: `${atSec}.${sequence}`,
  };
}

const imageOf = (image: object | undefined): Item | undefined =>
  image === undefined ? undefined : unmarshall(image as Record<string, AttributeValue>);

/** Whether an error comes of what was asked, so that asking again gives it again. */
export function isLasting(error: unknown): boolean {
  if (error instanceof DynamoDBServiceException) return error.name === 'ValidationException';
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
