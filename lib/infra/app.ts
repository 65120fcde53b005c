import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { DataStack } from './data-stack.ts';
import { projectRoot } from './function.ts';
import { ServiceStack } from './service-stack.ts';
import { readSettings } from './settings.ts';

interface AppOptions {
  /** The stage; it replaces the context value of that name. */
  stage?: string;
  /** Further settings and CDK options, e.g. `{'aws:cdk:bundling-stacks': []}`; those of cdk.json apply too. */
  context?: Record<string, unknown>;
  /** The folder of the templates. The CLI names its own. */
  outdir?: string;
}

interface Paceline {
  app: App;
  dataStack: DataStack;
  serviceStack: ServiceStack;
}

/** Returns the CDK app of one stage, ready to synthesize. Throws one sentence when a setting is not valid. */
export function buildApp(options: AppOptions = {}): Paceline {
  const app = new App({
    context: { ...projectContext(), ...options.context, ...(options.stage !== undefined && { stage: options.stage }) },
    ...(options.outdir !== undefined && { outdir: options.outdir }),
    analyticsReporting: false,
  });
  const settings = readSettings((name) => app.node.tryGetContext(name));
  const dataStack = new DataStack(app, settings);
  const serviceStack = new ServiceStack(app, settings, dataStack);
  Tags.of(app).add('paceline:stage', settings.stage);
  // Stage `local` is never deployed and must start quickly.
  if (settings.stage !== 'local') Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { app, dataStack, serviceStack };
}

/** Returns the feature flags of cdk.json. Only the CLI passes them, and an app built in process would differ without them. */
function projectContext(): Record<string, unknown> {
  const { context } = JSON.parse(readFileSync(join(projectRoot, 'cdk.json'), 'utf8')) as {
    context: Record<string, unknown>;
  };
  return context;
}
