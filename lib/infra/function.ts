import { join, resolve } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  type CfnFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda';
import { type ICommandHooks, LogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import { metricNamespace, physicalName, type Settings } from './settings.ts';
import type { Worker } from './worker.ts';

/** The folder that holds package.json; entries are named relative to it. */
export const projectRoot: string = resolve(import.meta.dirname, '..', '..');

export type SharedEnvironment = Record<string, string>;

interface StageFunctionProps {
  /** Part of the names of the function and its logs, and the `service` of its metrics. */
  name: string;
  /** Path from the project root; exports `handler`. */
  entry: string;
  /** The heading in docs/runbook.md for its alarm. */
  section: string;
  timeoutSec: number;
  memoryMiB: number;
  environment: SharedEnvironment;
  alarms: Alarms;
  afterBundling?: (inputDir: string, outputDir: string) => string[];
}

/** A function with a role, a log group and an error alarm of its own. */
export class StageFunction extends Construct implements Worker {
  readonly function: NodejsFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, settings: Settings, props: StageFunctionProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/paceline/${settings.stage}/${props.name}`,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // Not the managed policy, which allows writing to every log group of the account.
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    this.function = new NodejsFunction(this, 'Function', {
      functionName: physicalName(settings.stage, props.name),
      entry: join(projectRoot, props.entry),
      handler: 'handler',
      projectRoot,
      depsLockFilePath: join(projectRoot, 'package-lock.json'),
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMiB,
      timeout: Duration.seconds(props.timeoutSec),
      role: this.role,
      logGroup,
      // Lambda's own three lines for each invocation repeat its metrics, and cost as much as the lines of the function.
      loggingFormat: LoggingFormat.JSON,
      systemLogLevelV2: SystemLogLevel.WARN,
      // LOG_LEVEL filters the lines of a function. Metrics are lines without a level and must pass.
      applicationLogLevelV2: ApplicationLogLevel.DEBUG,
      awsSdkConnectionReuse: false,
      environment: {
        ...props.environment,
        NODE_OPTIONS: '--enable-source-maps',
        POWERTOOLS_SERVICE_NAME: props.name,
        POWERTOOLS_METRICS_NAMESPACE: metricNamespace(settings.stage),
      },
      bundling: {
        format: OutputFormat.ESM,
        target: 'node24',
        mainFields: ['module', 'main'],
        // The SDK that was tested, not the one of the runtime.
        bundleAwsSDK: true,
        minify: true,
        keepNames: true,
        sourceMap: true,
        logLevel: LogLevel.WARNING,
        sourcesContent: false,
        // Dependencies in CommonJS call `require`, which a module does not have.
        banner:
          "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
        ...(props.afterBundling && { commandHooks: hooks(props.afterBundling) }),
      },
    });
    const resource = this.function.node.defaultChild as CfnFunction;
    // local/ finds the functions of the template by these.
    resource.addMetadata('paceline:name', props.name);
    resource.addMetadata('paceline:entry', props.entry);
    props.alarms.add(`${props.name}-errors`, props.section, `The function ${props.name} fails.`, {
      metric: this.function.metricErrors({ period: Duration.minutes(5) }),
      threshold: 1,
      evaluationPeriods: 2,
    });
  }

  /** Makes a deployment replace the other function first, so that it understands what this one writes. */
  updatesAfter(other: StageFunction): void {
    const resourceOf = ({ function: fn }: StageFunction) => fn.node.defaultChild as CfnFunction;
    resourceOf(this).addResourceDependency(resourceOf(other));
  }
}

/** Returns a metric that the function `service` of the stage writes. */
export function functionMetric(
  settings: Settings,
  service: string,
  metricName: string,
  options: MetricOptions,
): Metric {
  return new Metric({
    namespace: metricNamespace(settings.stage),
    metricName,
    dimensionsMap: { service },
    ...options,
  });
}

function hooks(afterBundling: (inputDir: string, outputDir: string) => string[]): ICommandHooks {
  return { beforeBundling: () => [], beforeInstall: () => [], afterBundling };
}
