import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import type { Settings } from './settings.ts';

/** Lambda's longest. */
const importTimeoutSec = 900;
/** An import whose function was killed starts again after this. */
export const importVisibilitySec = 960;

interface ImportProps {
  data: DataStack;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** Uploads become pages: one object at a time, told by the bucket through the import queue. */
export class Import extends Construct {
  constructor(scope: Construct, settings: Settings, { data, environment, alarms }: ImportProps) {
    super(scope, 'Import');
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'import',
      entry: 'functions/import/handler.ts',
      section: 'import',
      timeoutSec: importTimeoutSec,
      memoryMiB: 1024,
      environment,
      alarms,
    });
    data.table.allowItems(handler);
    data.pages.allowImports(handler, ['read']);
    // Removed again when a row is wrong.
    data.pages.allowPages(handler, ['write', 'remove']);
    // A file whose tenant has another one being read waits there.
    data.importQueue.allowSend(handler);
    handler.function.addEventSource(
      new SqsEventSource(data.importQueue.queue, { batchSize: 1, maxConcurrency: 2, reportBatchItemFailures: true }),
    );
    alarms.addDeadLetters('import-dead-letters', 'import', data.importQueue.deadLetters, 'Imports were given up.');
  }
}
