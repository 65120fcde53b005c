/** Messages between the supervisor and a function process, over IPC. */
export interface InvokeMessage {
  type: 'invoke';
  id: string;
  event: unknown;
  /** Epoch ms at which the invocation times out. */
  deadlineMs: number;
}

export type ResultMessage =
  | { type: 'result'; id: string; value: unknown }
  | { type: 'error'; id: string; name: string; message: string; stack: string };

export interface FunctionIdentity {
  name: string;
  arn: string;
  functionName: string;
  /** Absolute path. */
  entryFile: string;
  handler: string;
  memoryMb: number;
}

export function isResult(message: unknown): message is ResultMessage {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false;
  return message.type === 'result' || message.type === 'error';
}
