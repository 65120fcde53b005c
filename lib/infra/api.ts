import { RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpNoneAuthorizer, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import type { RunTimeQueues } from './lanes.ts';
import type { WorkQueues } from './queues.ts';
import { physicalName, type Settings } from './settings.ts';
import { acknowledge } from './worker.ts';

interface ApiProps {
  data: DataStack;
  workQueues: WorkQueues;
  runTimeQueues: RunTimeQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** The HTTP API. Every route goes to one function, which checks keys, limits and shapes. */
export class Api extends Construct {
  readonly httpApi: HttpApi;
  readonly handler: StageFunction;

  constructor(scope: Construct, settings: Settings, props: ApiProps) {
    super(scope, 'Api');
    const { data, workQueues, runTimeQueues, environment, alarms } = props;
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'api',
      entry: 'functions/api/handler.ts',
      section: 'api',
      // API Gateway gives up after 30.
      timeoutSec: 29,
      memoryMiB: 1024,
      environment,
      alarms,
      afterBundling: copySwaggerUi,
    });
    this.handler = handler;
    data.table.allowItems(handler);
    data.pages.allowPages(handler, ['read', 'write']);
    data.pages.allowImports(handler, ['write']);
    data.pages.allowExports(handler, ['read', 'write']);
    workQueues.feed.allowSend(handler);
    workQueues.webhookDue.allowSend(handler);
    runTimeQueues.allowLaneCreation(handler);
    runTimeQueues.allowLaneRemoval(handler);
    runTimeQueues.allowWake(handler);

    this.httpApi = new HttpApi(this, 'HttpApi', {
      apiName: physicalName(settings.stage, 'api'),
      createDefaultStage: false,
      // The route $default takes every method and every path, the root too.
      defaultIntegration: new HttpLambdaIntegration('Integration', handler.function),
      defaultAuthorizer: new HttpNoneAuthorizer(),
    });
    acknowledge(
      this.httpApi,
      'AwsSolutions-APIG4',
      'The function checks the API key of each request against its hash in the table; /health and /docs are public.',
    );
    const accessLogs = new LogGroup(this, 'AccessLogs', {
      logGroupName: `/paceline/${settings.stage}/access`,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    new HttpStage(this, 'Stage', {
      httpApi: this.httpApi,
      stageName: '$default',
      autoDeploy: true,
      // A limit against floods. Each tenant has its own limit by its plan.
      throttle: { rateLimit: 200, burstLimit: 400 },
      accessLogSettings: {
        destination: new LogGroupLogDestination(accessLogs),
        format: AccessLogFormat.custom(accessLogFormat),
      },
    });
  }
}

/** The access log has no path, which can hold a phone number. The request id leads to the log line of the function, which has the route. */
const accessLogFormat = JSON.stringify({
  requestId: '$context.requestId',
  time: '$context.requestTime',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  status: '$context.status',
  bytes: '$context.responseLength',
  latencyMs: '$context.responseLatency',
  error: '$context.integrationErrorMessage',
});

/** The files that /docs loads, served from the folder beside the handler. */
const swaggerUiFiles = ['swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-standalone-preset.js'];

function copySwaggerUi(inputDir: string, outputDir: string): string[] {
  const to = `${outputDir}/swagger-ui`;
  const files = swaggerUiFiles.map((file) => `"${inputDir}/node_modules/swagger-ui-dist/${file}"`);
  return [`mkdir -p "${to}"`, `cp ${files.join(' ')} "${to}/"`];
}
