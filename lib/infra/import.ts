import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import type { WorkQueues } from './queues.ts';
import type { Settings } from './settings.ts';

interface ImportProps {
  data: DataStack;
  workQueues: WorkQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** Makes pages from uploads, one object at a time. The bucket notifies the import queue of each. */
export class Import extends Construct {
  constructor(scope: Construct, settings: Settings, { data, workQueues, environment, alarms }: ImportProps) {
    super(scope, 'Import');
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'import',
      entry: 'functions/import/handler.ts',
      section: 'import',
      timeoutSec: workQueues.import.timeoutSec,
      memoryMiB: 1024,
      environment,
      alarms,
    });
    data.table.allowItems(handler);
    data.pages.allowImports(handler, ['read']);
    // Pages are removed again when a row is wrong.
    data.pages.allowPages(handler, ['write', 'remove']);
    // A file waits in the queue while another file of its tenant is read.
    workQueues.import.allowSend(handler);
    workQueues.import.feeds(handler, alarms);
  }
}
