import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { buildApp } from '../../lib/infra/app.ts';

export interface Templates {
  data: Template;
  service: Template;
}

const kept = new Map<string, Templates>();

/** Synthesizes without bundling, cdk-nag included, and leaves nothing behind. Equal settings are synthesized once a worker. */
export function synthesize(settings: Record<string, unknown> = {}): Templates {
  const key = JSON.stringify(settings);
  const templates = kept.get(key) ?? synthesizeAnew(settings);
  kept.set(key, templates);
  return templates;
}

function synthesizeAnew(settings: Record<string, unknown>): Templates {
  const outdir = mkdtempSync(join(tmpdir(), 'paceline-synth-'));
  try {
    const { dataStack, serviceStack } = buildApp({
      context: { 'aws:cdk:bundling-stacks': [], ...settings },
      outdir,
    });
    return { data: Template.fromStack(dataStack), service: Template.fromStack(serviceStack) };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** A template value as one readable line: `arn:<AWS::Partition>:sqs:..`, attributes as `<LogicalId.Arn>`. */
export function flatten(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[name, argument] = ['', undefined]] = Object.entries(value);
  const list = Array.isArray(argument) ? argument : [argument];
  if (name === 'Ref' || name === 'Fn::ImportValue') return `<${flatten(argument)}>`;
  if (name === 'Fn::GetAtt') return `<${list.join('.')}>`;
  if (name === 'Fn::Join') return (list[1] as unknown[]).map(flatten).join(String(list[0]));
  return JSON.stringify(value);
}

export interface Statement {
  actions: string[];
  resources: string[];
  conditions: Record<string, Record<string, unknown>>;
}

/** What the role with this logical id prefix may do, inline policies of the template flattened to text. */
export function statementsOf(template: Template, rolePrefix: string): Statement[] {
  const policies = Object.values(template.findResources('AWS::IAM::Policy'));
  const own = policies.filter((policy) => String(policy.Properties.Roles[0].Ref).startsWith(rolePrefix));
  return own.flatMap((policy) =>
    policy.Properties.PolicyDocument.Statement.map((one: Record<string, unknown>) => ({
      actions: [one.Action].flat().map(String),
      resources: [one.Resource].flat().map(flatten),
      conditions: (one.Condition ?? {}) as Statement['conditions'],
    })),
  );
}
