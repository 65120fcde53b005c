import { pathToFileURL } from 'node:url';
import type { FunctionIdentity, InvokeMessage, ResultMessage } from './functions/protocol.ts';

/**
 * The process of one function. It loads the entry once, then serves invocations, which come as messages of its parent and may overlap.
 * Argument: the function's identity as JSON. Ends with the parent.
 */
interface LambdaContext {
  functionName: string;
  functionVersion: string;
  invokedFunctionArn: string;
  memoryLimitInMB: string;
  awsRequestId: string;
  logGroupName: string;
  logStreamName: string;
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
}
type Handler = (event: unknown, context: LambdaContext) => unknown;

const identity: FunctionIdentity = JSON.parse(process.argv[2] ?? '{}');
const module: Record<string, unknown> = await import(pathToFileURL(identity.entryFile).href);
const handler = module[identity.handler];
if (typeof handler !== 'function') {
  throw new Error(`${identity.entryFile} exports no function ${identity.handler}.`);
}
const handle = handler as Handler;

// The channel keeps this process alive while it waits for invocations.
process.channel?.ref();
process.on('message', (message: InvokeMessage) => void invoke(message));
process.on('disconnect', () => process.exit(0));
process.send?.({ type: 'ready' });

async function invoke({ id, event, deadlineMs }: InvokeMessage): Promise<void> {
  let answer: ResultMessage;
  try {
    answer = { type: 'result', id, value: (await handle(event, contextOf(id, deadlineMs))) ?? null };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    console.error(error);
    answer = { type: 'error', id, name: error.name, message: error.message, stack: error.stack ?? '' };
  }
  // If the parent has ended meanwhile, the answer is dropped.
  process.send?.(answer, () => undefined);
}

function contextOf(id: string, deadlineMs: number): LambdaContext {
  return {
    functionName: identity.functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: identity.arn,
    memoryLimitInMB: String(identity.memoryMb),
    awsRequestId: id,
    logGroupName: `/aws/lambda/${identity.functionName}`,
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
}
