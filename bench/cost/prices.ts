/** US dollars. List prices of us-east-1 in November 2026: check them before counting on them. */
const perMillion = {
  /** A write unit: 1 KB, twice as many in a transaction; each write to an index is one more. */
  writeUnit: 0.625,
  /** A read unit: 4 KB read consistently, 8 KB otherwise. */
  readUnit: 0.125,
  /** FIFO queues; others cost $0.40. */
  sqsRequest: 0.5,
  s3Put: 5,
  s3Get: 0.4,
  invocation: 0.2,
  apiRequest: 1,
};
const lambdaGbSec = 0.0000133;
/** CloudWatch Logs, taking in. */
const logGb = 0.5;
/** Fargate on arm64. */
const vcpuHour = 0.0324;
const gbHour = 0.00356;

/** Hours in the month of a bill. */
export const monthHours = 730;

/** Listing costs as much as writing; removing costs nothing. */
const s3Classes: Record<string, 'put' | 'get' | 'free'> = {
  GetObject: 'get',
  HeadObject: 'get',
  DeleteObject: 'free',
  DeleteObjects: 'free',
};

export interface Units {
  calls: number;
  writeUnits: number;
  readUnits: number;
}

/** Dollars for calls to `dynamodb`, `sqs` or `s3`. */
export function priceOfCalls(service: string, command: string, { calls, writeUnits, readUnits }: Units): number {
  if (service === 'dynamodb') return (writeUnits * perMillion.writeUnit + readUnits * perMillion.readUnit) / 1e6;
  if (service === 'sqs') return (calls * perMillion.sqsRequest) / 1e6;
  const kind = s3Classes[command] ?? 'put';
  if (kind === 'free') return 0;
  return (calls * (kind === 'get' ? perMillion.s3Get : perMillion.s3Put)) / 1e6;
}

/** Dollars for running functions: `gbSec` is memory times duration. */
export function priceOfInvocations(invocations: number, gbSec: number): number {
  return (invocations * perMillion.invocation) / 1e6 + gbSec * lambdaGbSec;
}

/** Dollars for requests to the HTTP API, up to 512 KB each. */
export function priceOfApi(requests: number): number {
  return (requests * perMillion.apiRequest) / 1e6;
}

export function priceOfLogs(bytes: number): number {
  return (bytes / 2 ** 30) * logGb;
}

/** The price of a host that runs for a month; `cpu` in units of which 1,024 are one vCPU. */
export function priceOfHostMonth(cpu: number, memoryMiB: number): number {
  return monthHours * ((cpu / 1024) * vcpuHour + (memoryMiB / 1024) * gbHour);
}
