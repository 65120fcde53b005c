import { listAt, numberAt, objectAt, stringAt } from './json.ts';
import type { Resource } from './stacks.ts';

export interface Schedule {
  name: string;
  functionArn: string;
  everyMs: number;
  /** The target's constant input as JSON text. Undefined means the usual scheduled event. */
  input: string | undefined;
  source: 'aws.events' | 'aws.scheduler';
}

export interface Route {
  /** `$default` or `<METHOD or ANY> /path/{name}/{rest+}`. */
  routeKey: string;
  functionArn: string;
  /** Bounds the function's own timeout; API Gateway allows 30 s at most. */
  timeoutMs: number;
}

/** Returns the schedules of a rule. Leaves out a cron expression with a warning, and a target that is not in `known` without one. */
export function scheduleOf(resource: Resource, known: Set<string>, warnings: string[]): Schedule[] {
  const { properties, logicalId } = resource;
  const expression = stringAt(properties, 'ScheduleExpression');
  if (expression === undefined || stringAt(properties, 'State') === 'DISABLED') return [];
  const fromRule = resource.type === 'AWS::Events::Rule';
  const targets = fromRule ? listAt(properties, 'Targets') : [objectAt(properties, 'Target')];
  const everyMs = parseRate(expression);
  if (everyMs === undefined) {
    warnings.push(`Schedule ${logicalId} (${expression}) does not run locally: only rate(..) does.`);
    return [];
  }
  return targets.flatMap((target) => {
    const functionArn = stringAt(target, 'Arn') ?? '';
    if (!known.has(functionArn)) return [];
    const source = fromRule ? 'aws.events' : 'aws.scheduler';
    return [{ name: logicalId, functionArn, everyMs, input: stringAt(target, 'Input'), source }];
  });
}

const UNIT_MS: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Milliseconds of `rate(5 minutes)`; undefined for anything else. */
export function parseRate(expression: string): number | undefined {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression.trim()) ?? [];
  const unitMs = UNIT_MS[unit ?? ''];
  return count === undefined || unitMs === undefined || Number(count) < 1 ? undefined : Number(count) * unitMs;
}

export function routesOf(routes: Resource[], integrations: Resource[], known: Set<string>): Route[] {
  return routes.map(({ stack, properties }) => {
    const id = (stringAt(properties, 'Target') ?? '').replace(/^integrations\//, '').replace(/^local:/, '');
    const integration = integrations.find((one) => one.stack === stack && one.logicalId === id);
    const uri = stringAt(integration?.properties ?? {}, 'IntegrationUri') ?? '';
    const functionArn = [...known].find((arn) => uri === arn || uri.includes(`/${arn}/`));
    const routeKey = stringAt(properties, 'RouteKey') ?? '';
    if (functionArn === undefined) throw new Error(`Route ${routeKey} leads to no function with a paceline:entry.`);
    return { routeKey, functionArn, timeoutMs: numberAt(integration?.properties ?? {}, 'TimeoutInMillis') ?? 30_000 };
  });
}
