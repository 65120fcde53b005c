import { isObject, type Json, type JsonObject, objectAt } from './json.ts';
import type { Stack } from './stacks.ts';

/** A resource on this machine: the value of its `Ref` and of its attributes. */
export interface Physical {
  ref: string;
  attributes: Record<string, string>;
}

export interface ResolveContext {
  stacks: Stack[];
  region: string;
  accountId: string;
  /** By `<stack name>/<logical id>`; resources without an entry resolve to placeholders such as `local:Id.Arn`. */
  physical: Map<string, Physical>;
}

/**
 * Replaces the intrinsic functions in a template value by their values on this machine. Supports Ref, Fn::GetAtt, Join, Sub, Select, Split, If,
 * FindInMap, ImportValue, GetAZs, Base64 and the pseudo parameters. A property with the value `AWS::NoValue` is dropped. Throws for other functions.
 */
export function resolve(value: Json, stack: Stack, context: ResolveContext): Json {
  const resolved = resolveValue(value, stack, context);
  return resolved === undefined ? null : resolved;
}

/** `resolve` for an object: the result is an object too. */
export function resolveObject(value: JsonObject, stack: Stack, context: ResolveContext): JsonObject {
  const resolved = resolveValue(value, stack, context);
  return isObject(resolved) ? resolved : {};
}

export function physicalKey(stack: Stack, logicalId: string): string {
  return `${stack.name}/${logicalId}`;
}

function resolveValue(value: Json, stack: Stack, context: ResolveContext): Json | undefined {
  if (Array.isArray(value)) {
    return value.map((item) => resolveValue(item, stack, context)).filter((item) => item !== undefined);
  }
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  const name = keys[0];
  if (keys.length === 1 && name !== undefined && (name === 'Ref' || name.startsWith('Fn::'))) {
    return callIntrinsic(name, value[name] ?? null, stack, context);
  }
  const result: JsonObject = {};
  for (const key of keys) {
    const item = resolveValue(value[key] ?? null, stack, context);
    if (item !== undefined) result[key] = item;
  }
  return result;
}

function callIntrinsic(name: string, argument: Json, stack: Stack, context: ResolveContext): Json | undefined {
  const evaluate = (value: Json | undefined): Json => resolveValue(value ?? null, stack, context) ?? null;
  const list = Array.isArray(argument) ? argument : [];
  switch (name) {
    case 'Ref':
      return ref(text(argument), stack, context);
    case 'Fn::GetAtt': {
      const [id, attribute] = Array.isArray(argument) ? list.map(text) : splitOnce(text(argument), '.');
      return getAtt(id ?? '', attribute ?? '', stack, context);
    }
    case 'Fn::Join': {
      const parts = evaluate(list[1]);
      return (Array.isArray(parts) ? parts : []).map(text).join(text(list[0] ?? ''));
    }
    case 'Fn::Split':
      return text(evaluate(list[1])).split(text(list[0] ?? ''));
    case 'Fn::Select': {
      const items = evaluate(list[1]);
      return (Array.isArray(items) ? items[Number(text(evaluate(list[0])))] : undefined) ?? null;
    }
    case 'Fn::Sub':
      return substitute(argument, stack, context);
    case 'Fn::If':
      return resolveValue((condition(text(list[0] ?? ''), stack, context) ? list[1] : list[2]) ?? null, stack, context);
    case 'Fn::FindInMap': {
      const [map, first, second] = list.map((item) => text(evaluate(item)));
      return objectAt(objectAt(objectAt(stack.template, 'Mappings'), map ?? ''), first ?? '')[second ?? ''] ?? null;
    }
    case 'Fn::ImportValue':
      return importValue(text(evaluate(argument)), context);
    case 'Fn::GetAZs':
      return ['a', 'b', 'c'].map((zone) => context.region + zone);
    case 'Fn::Base64':
      return Buffer.from(text(evaluate(argument))).toString('base64');
    default:
      throw new Error(`The template uses ${name}, which local mode does not know.`);
  }
}

function ref(id: string, stack: Stack, context: ResolveContext): Json | undefined {
  switch (id) {
    case 'AWS::NoValue':
      return undefined;
    case 'AWS::Region':
      return context.region;
    case 'AWS::AccountId':
      return context.accountId;
    case 'AWS::Partition':
      return 'aws';
    case 'AWS::URLSuffix':
      return 'amazonaws.com';
    case 'AWS::StackName':
      return stack.name;
    case 'AWS::StackId':
      return `arn:aws:cloudformation:${context.region}:${context.accountId}:stack/${stack.name}/local`;
    default: {
      const parameter = objectAt(stack.template, 'Parameters')[id];
      if (isObject(parameter)) return parameter.Default ?? '';
      return context.physical.get(physicalKey(stack, id))?.ref ?? `local:${id}`;
    }
  }
}

function getAtt(id: string, attribute: string, stack: Stack, context: ResolveContext): string {
  return context.physical.get(physicalKey(stack, id))?.attributes[attribute] ?? `local:${id}.${attribute}`;
}

function substitute(argument: Json, stack: Stack, context: ResolveContext): string {
  const [template, given] = Array.isArray(argument) ? argument : [argument, {}];
  const variables = isObject(given) ? given : {};
  return text(template ?? '').replaceAll(/\$\{(!?)([^}]+)\}/g, (whole, literal: string, name: string) => {
    if (literal !== '') return `\${${name}}`;
    const own = variables[name];
    if (own !== undefined) return text(resolveValue(own, stack, context) ?? '');
    const [id, attribute] = splitOnce(name, '.');
    if (attribute !== undefined) return getAtt(id ?? whole, attribute, stack, context);
    return text(ref(name, stack, context) ?? '');
  });
}

function importValue(exportName: string, context: ResolveContext): Json {
  for (const stack of context.stacks) {
    for (const output of Object.values(objectAt(stack.template, 'Outputs'))) {
      if (!isObject(output)) continue;
      const name = resolve(objectAt(output, 'Export').Name ?? null, stack, context);
      if (name === exportName) return resolve(output.Value ?? null, stack, context);
    }
  }
  throw new Error(`No stack exports ${exportName}, which another one imports.`);
}

function condition(name: string, stack: Stack, context: ResolveContext): boolean {
  return holds(objectAt(stack.template, 'Conditions')[name] ?? null, stack, context);
}

function holds(value: Json, stack: Stack, context: ResolveContext): boolean {
  if (!isObject(value)) return value === true || value === 'true';
  const name = Object.keys(value)[0] ?? '';
  const argument = value[name] ?? null;
  const list = Array.isArray(argument) ? argument : [];
  switch (name) {
    case 'Fn::Equals':
      return text(resolve(list[0] ?? null, stack, context)) === text(resolve(list[1] ?? null, stack, context));
    case 'Fn::Not':
      return !holds(list[0] ?? null, stack, context);
    case 'Fn::And':
      return list.every((item) => holds(item, stack, context));
    case 'Fn::Or':
      return list.some((item) => holds(item, stack, context));
    case 'Condition':
      return condition(text(argument), stack, context);
    default:
      throw new Error(`The template uses the condition ${name}, which local mode does not know.`);
  }
}

function text(value: Json): string {
  return typeof value === 'string' ? value : value === null ? '' : String(value);
}

function splitOnce(value: string, separator: string): [string, string | undefined] {
  const at = value.indexOf(separator);
  return at < 0 ? [value, undefined] : [value.slice(0, at), value.slice(at + 1)];
}
